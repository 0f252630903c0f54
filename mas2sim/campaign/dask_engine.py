"""Runs tasks on dask workers: of a cluster on this machine, or of a scheduler that is there.

The engine has a driver for each thread of each dask worker, as the local engine has one for each of
its seats. It names the dask worker for every task, so that a task whose dask worker is gone is
known to have died, and is not run again by dask itself beside the work list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from queue import SimpleQueue
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from mas2sim.campaign.driver import Drivers
from mas2sim.campaign.engine import EngineError, Watch, cores
from mas2sim.campaign.ledger import RUN_FILE, Task
from mas2sim.campaign.seat import MEMORY_MB, START_S, End, Outcome, SeatRules, Told
from mas2sim.campaign.work_list import WorkList
from mas2sim.domain.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from distributed import Client, Future

LOOK_S = 0.5
"""How often the engine looks which dask workers there are. [s]"""
CONNECT_S = 30.0
"""Time in which a scheduler must answer. [s]"""
WITHOUT_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
"""For a scheduler: it serves its figures in any case, and would take a fixed port for that."""
LOST, STOPPED = {"lost": True}, {"stopped": True}
"""Messages of the engine to itself."""


@dataclass(slots=True)
class DaskEngine:
    """Runs tasks on the workers of a dask scheduler.

    Parameters
    ----------
    workers : int
        Of the cluster that is started on this machine; a scheduler that is named has its own, and
        all of them are used.
    scheduler : str or None
        Address of one that is there, e.g. ``"tls://10.0.0.1:8786"``; it is left as it was. Its
        workers see the campaign's folder under the same path and have the same mas2sim.
    memory_mb : float
        A worker process that holds more is replaced between tasks. [MB]
    caches : bool
        Whether worker processes keep what cases share.
    program : tuple of str
        What is started as a worker process; empty: mas2sim's own.
    wait_s : float or None
        Time without any dask worker after which the engine gives up; None: it waits. [s]
    dashboard : str or None
        Where the cluster on this machine serves dask's dashboard, e.g. ``"127.0.0.1:8787"``.
    """

    workers: int = field(default_factory=cores)
    scheduler: str | None = None
    memory_mb: float = MEMORY_MB
    caches: bool = True
    program: tuple[str, ...] = ()
    wait_s: float | None = START_S
    dashboard: str | None = None

    def __post_init__(self) -> None:
        require_installed("distributed")

    def run(self, work: WorkList, watch: Watch) -> None:
        """Run all tasks; see `Engine.run`."""
        rules = SeatRules.of(work, self)
        with self._connected(min(self.workers, work.tasks_left)) as client:
            DaskRun(client, work, watch, rules, _Patience(client, self.wait_s)).go()

    @contextmanager
    def _connected(self, workers: int) -> Iterator[Client]:
        """A client of the scheduler that is named, or of a cluster for this run alone."""
        if self.scheduler is not None:
            with _connect(self.scheduler) as client:
                yield client
            return
        from distributed import Client, LocalCluster, Security

        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                # With certificates of its own: whoever reaches a port without runs code here.
                protocol="tls://",
                security=Security.temporary(),
                host="127.0.0.1",
                dashboard_address=self.dashboard,
                scheduler_kwargs={} if self.dashboard else WITHOUT_DASHBOARD,
                # A dask worker runs nothing itself; what its seat holds is the seat's business.
                memory_limit=None,
                silence_logs="ERROR",
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def require_installed(module: str) -> None:
    """Refuse an engine whose libraries are not there.

    Raises
    ------
    ConfigurationError
        With what to install.
    """
    if find_spec(module) is None:
        raise ConfigurationError(
            [Fault("engine", f"no {module}", "installed", 'pip install "mas2sim[cluster]"')]
        )


def address_of(client: Client) -> str:
    """Where the scheduler of a client is."""
    return str(client.scheduler.address) if client.scheduler else "an address that is not known"


def _connect(address: str) -> Client:
    from distributed import Client

    try:
        return Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no dask scheduler answers at {address} ({error}); start one with `dask scheduler`, "
            "workers with `dask worker ADDRESS`, and give its address with --scheduler"
        ) from error


Tend = Callable[[int], None]
"""Told again and again how many dask workers there are; raises when there will be no more."""


class _Patience:
    """Waits for dask workers that somebody else starts, for a while."""

    def __init__(self, client: Client, wait_s: float | None) -> None:
        self._client, self._wait_s = client, wait_s
        self._last_seen = monotonic()

    def __call__(self, workers: int) -> None:
        if workers:
            self._last_seen = monotonic()
        elif self._wait_s is not None and monotonic() - self._last_seen > self._wait_s:
            address = address_of(self._client)
            raise EngineError(
                f"the dask scheduler at {address} has had no worker for {self._wait_s:g} s; start "
                f"some with `dask worker {address} --nthreads 1`"
            )


class DaskRun:
    """One run of a campaign on a scheduler.

    Parameters
    ----------
    client : Client
    work : WorkList
    watch : callable
        Told how far it is, after every case.
    rules : SeatRules
    tend : callable
        Looks after the workers.
    """

    def __init__(
        self,
        client: Client,
        work: WorkList,
        watch: Watch,
        rules: SeatRules,
        tend: Tend,
    ) -> None:
        self.client, self.work = client, work
        self.name = f"mas2sim-{client.id}"
        self._rules, self._tend = rules, tend
        self._drivers = Drivers(work, watch)
        self._seats: dict[str, list[_DaskSeat]] = {}
        self._held: dict[str, Future[None]] = {}
        self._heard: dict[str, Callable[[dict[str, Any]], None]] = {}

    def go(self) -> None:
        """Run all tasks on the workers that are there or come."""
        from mas2sim.campaign.dask_seat import TOPIC, Seats

        self.client.subscribe_topic(TOPIC, self._event)
        try:
            run = self.work.ledger.read(RUN_FILE)
            with self._answering():
                self.client.register_plugin(Seats(self.name, self._rules, run), name=self.name)
            while self.work.tasks_left:
                self._look_for_workers()
                self._drivers.at_work(LOOK_S)
        finally:
            self._drivers.stop()
            self._leave()

    def _look_for_workers(self) -> None:
        """Begin with workers that came, and give up those that are gone."""
        with self._answering():
            threads = self.client.nthreads(callback_timeout=CONNECT_S)
            for address in self._seats.keys() - threads.keys():
                self._held.pop(address)
                for seat in self._seats.pop(address):
                    seat.lose()
            for address in threads.keys() - self._seats.keys():
                self._begin(address, threads[address])
        self._tend(len(threads))

    def _begin(self, address: str, threads: int) -> None:
        from mas2sim.campaign.dask_seat import hold, hold_key

        # Before any other task: if this client goes, the worker lets go of it and ends its seats.
        self._held[address] = self.client.submit(
            hold, key=hold_key(self.name, address), workers=[address]
        )
        self._seats[address] = [_DaskSeat(self, address, place) for place in range(threads)]
        for seat in self._seats[address]:
            self._drivers.add(seat, seat.name)

    def task_key(self, place: str, count: int) -> str:
        """Name of a task on the scheduler; a task that is run again has another one."""
        return f"{self.name}-{place}-{count}"

    def listen(self, key: str, heard: Callable[[dict[str, Any]], None]) -> None:
        """Hand what a dask worker tells of a task to `heard`."""
        self._heard[key] = heard

    def forget(self, key: str) -> None:
        """No longer hand it on."""
        self._heard.pop(key, None)

    @property
    def connected(self) -> bool:
        """Whether the scheduler has been there all the time.

        A client that lost the connection soon has another one, but none of its tasks.
        """
        held = list(self._held.values())
        return self.client.status == "running" and all(
            future.status != "cancelled" for future in held
        )

    def _event(self, event: tuple[float, dict[str, Any]]) -> None:
        _, content = event
        heard = self._heard.get(content["key"])
        if heard is not None:
            heard(content)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn what the scheduler, or a worker of it, does not do into words."""
        gone = EngineError(
            f"the dask scheduler at {address_of(self.client)}, or the connection to it, is gone; "
            "see that it runs, or take another engine"
        )
        if not self.connected:
            raise gone
        try:
            yield
        except OSError as error:
            raise gone from error
        except Exception as error:
            raise EngineError(
                f"the dask workers at {address_of(self.client)}: {type(error).__name__}: {error}; "
                "they need the same mas2sim and dask as this process"
            ) from error

    def _leave(self) -> None:
        """Leave the scheduler as it was."""
        from mas2sim.campaign.dask_seat import TOPIC

        self._held.clear()
        if self.connected:
            # It may go at this very moment; then there is nothing to tidy.
            with suppress(OSError):
                self.client.unregister_worker_plugin(self.name)
                self.client.unsubscribe_topic(TOPIC)


class _DaskSeat:
    """A thread of a dask worker, seen from the engine."""

    def __init__(self, run: DaskRun, address: str, place: int) -> None:
        self.name = f"{address}-{place}"
        self.gone = False
        self._run, self._address = run, address
        self._messages: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._count = 0

    def run(self, task: Task, told: Told) -> Outcome:
        """Run one task there to whatever end."""
        from mas2sim.campaign.dask_seat import run_task

        if self.gone:
            return Outcome(End.STOPPED)
        self._count += 1
        key = self._run.task_key(self.name, self._count)
        self._run.listen(key, self._messages.put)
        whole = (self._run.name, key, task.shard, task.start, task.stop)
        try:
            future = self._run.client.submit(run_task, *whole, key=key, workers=[self._address])
        except Exception:
            if self._run.connected:
                raise
            # The engine finds the scheduler gone and says so.
            self.gone = True
            return Outcome(End.STOPPED)
        future.add_done_callback(lambda _: self._messages.put({"key": key}))
        try:
            outcome = self._heard(key, future, told)
        finally:
            self._run.forget(key)
        return outcome if outcome.end is not End.DONE else self._seen(task)

    def lose(self) -> None:
        """The dask worker is gone; called from another thread."""
        self.gone = True
        self._messages.put(LOST)

    def stop(self) -> None:
        """Wait no longer; called from another thread. The dask worker ends its seat."""
        self.gone = True
        self._messages.put(STOPPED)

    def dismiss(self) -> None:
        """The engine takes all seats from the dask workers at once, at its end."""

    def _heard(self, key: str, future: Future[None], told: Told) -> Outcome:
        """Listen until it is known what became of a task."""
        while True:
            message = self._messages.get()
            if message is LOST:
                return Outcome(End.DIED, f"the dask worker {self._address} is gone")
            if message is STOPPED:
                return Outcome(End.STOPPED)
            if message["key"] != key:
                # Of an earlier task.
                continue
            if "status" in message:
                told(message["status"])
            elif "end" in message:
                outcome = Outcome(End(message["end"]), message["reason"], message["number"])
                # A dask worker that closes ends its seats first.
                self.gone = self.gone or outcome.end is End.STOPPED
                return outcome
            elif (settled := self._settled(future)) is not None:
                return settled

    def _settled(self, future: Future[None]) -> Outcome | None:
        """What became of a task that dask has done with; None if the dask worker tells it."""
        from distributed import KilledWorker

        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                return Outcome(End.DIED, f"the dask worker {self._address} was killed")
            said = f"the dask worker {self._address}: {type(error).__name__}: {error}"
            return Outcome(End.UNFIT, said)
        if future.status == "cancelled":
            if self._run.connected:
                return Outcome(End.DIED, "its task was cancelled on the scheduler")
            self.gone = True
            return Outcome(End.STOPPED)
        return None

    def _seen(self, task: Task) -> Outcome:
        """Wait until the file of a finished task is seen here too."""
        from mas2sim.campaign.dask_seat import SEEN_AGAIN_S, SHARED_S

        path = self._run.work.path(task)
        deadline = monotonic() + SHARED_S
        while not path.is_file():
            if self.gone:
                return Outcome(End.STOPPED)
            if monotonic() > deadline:
                return Outcome(
                    End.UNFIT,
                    f"the dask worker {self._address} wrote {path}, which is not there for this "
                    "process; choose a folder on a file system all machines share with --out",
                )
            sleep(SEEN_AGAIN_S)
        return Outcome(End.DONE)
