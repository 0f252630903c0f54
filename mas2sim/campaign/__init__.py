"""Campaigns: thousands of cases planned, run in shards, resumed, and read as one table.

`start_campaign` plans an experiment and runs it with an engine; `resume_campaign` does what is
missing; `read_status` looks at it from outside; `open_campaign` reads it, and `campaign_summary`
works out what it says. What lies in the folder is the only state: a shard is done when its file is
there under its name.
"""

from __future__ import annotations

from mas2sim.campaign.dask_engine import DaskEngine
from mas2sim.campaign.engine import Engine, EngineError, Step
from mas2sim.campaign.experiment import Experiment, experiment_names, read_experiment
from mas2sim.campaign.local_engine import LocalEngine
from mas2sim.campaign.plan import CampaignPlan, PlannedCase, Shard, make_plan
from mas2sim.campaign.reading import Campaign, open_campaign
from mas2sim.campaign.running import default_folder, resume_campaign, start_campaign
from mas2sim.campaign.slurm_engine import SlurmEngine
from mas2sim.campaign.status import Status, read_status
from mas2sim.campaign.summary import campaign_summary

__all__ = [
    "Campaign",
    "CampaignPlan",
    "DaskEngine",
    "Engine",
    "EngineError",
    "Experiment",
    "LocalEngine",
    "PlannedCase",
    "Shard",
    "SlurmEngine",
    "Status",
    "Step",
    "campaign_summary",
    "default_folder",
    "experiment_names",
    "make_plan",
    "open_campaign",
    "read_experiment",
    "read_status",
    "resume_campaign",
    "start_campaign",
]
