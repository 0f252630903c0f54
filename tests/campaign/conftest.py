"""A campaign of cases that take no time, and its table when nothing disturbs it."""

import pytest

from mas2sim.campaign import Campaign, CampaignPlan
from mas2sim.campaign.running import run_plan

from .samples import cheap_engine, small_plan


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> CampaignPlan:
    return small_plan(tmp_path_factory.mktemp("experiment"))


@pytest.fixture(scope="module")
def undisturbed(plan: CampaignPlan, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return run_plan(plan, tmp_path_factory.mktemp("undisturbed"), engine=cheap_engine(1))
