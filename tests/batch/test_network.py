"""An engine started by a job uses loopback only; a cluster of the user keeps its own settings."""

import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from spam_edge.batch import Model
from spam_edge.batch.backends import ray as ray_backend
from spam_edge.batch.backends import spark as spark_backend
from spam_edge.batch.backends.ray import RayEngine
from spam_edge.batch.backends.spark import SparkEngine
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import WorkerError
from tests.support.timeouts import TIMEOUT

from .conftest import OPTIONS, messages, write_csv

ROOT = Path(__file__).parents[2]
CONSTANTS = "ray._private.ray_constants"
PROXY = "http://proxy.example:3128"
METADATA = "169.254.169.254,metadata.google.internal"
ADDRESS_UP = "ip link set lo up && ip address add 192.0.2.2/32 dev lo"
NETWORKS = {"none": ADDRESS_UP, "route": f"{ADDRESS_UP} && ip route add default dev lo"}
"""Network setups of a namespace, each with an outside address that an engine could choose.

``none`` has no route; ``route`` has a default route that leads nowhere but makes the outside address usable.
"""
ATTEMPTS = 4
"""Ray waits a fixed time for its own processes, which can be too short on a loaded machine."""
JOB = """
import json, sys
from pathlib import Path
from spam_edge import RuntimeOptions
from spam_edge.batch import BatchJob, engine_named

engine, bundle, source, output = sys.argv[1:]
listeners = set()

def look(progress):
    for table in ("tcp", "tcp6"):
        rows = [line.split() for line in Path("/proc/net", table).read_text().splitlines()[1:]]
        listeners.update(row[1].partition(":")[0] for row in rows if row[3] == "0A")

options = {"bundle": bundle, "runtime": RuntimeOptions(device="cpu", threads=1), "workers": 1, "part_rows": 50}
report = BatchJob(inputs=[source], output=output, **options).run(open_engine=engine_named(engine), progress=look)
print(json.dumps({"rows": report.rows, "engine": report.engine, "listeners": sorted(listeners)}))
"""
"""A job that starts its engine and records all listening addresses of the network namespace."""
LOOPBACK_LISTENERS = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1, its IPv6-mapped form, and ::1, as /proc/net shows them on a little-endian machine."""
CALL = re.compile(r"\b(?:connect|bind|sendto|sendmsg|sendmmsg)\(.*sa_family=AF_INET6?\b.*")
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


def command_succeeds(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Observed:
    """The report of a job and, where strace works, the system calls of its processes that name an address."""

    report: dict[str, Any]
    isolated: bool
    trace: Path | None

    @property
    def calls(self) -> list[str]:
        if self.trace is None:
            pytest.skip("strace is missing, or may not trace here")
        calls = [call[0] for line in self.trace.read_text().splitlines() if (call := CALL.search(line))]
        assert calls  # the engine uses sockets
        return calls


@pytest.fixture(
    scope="module", params=[(engine, network) for engine in ("ray", "spark") for network in NETWORKS], ids="-".join
)
def observed(request: pytest.FixtureRequest, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """Run a job that starts its engine, in a network namespace and under strace if these are available."""
    engine, network = request.param
    pytest.importorskip({"ray": "ray", "spark": "pyspark"}[engine])
    if engine == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 or newer, and there is no java here")
    folder = tmp_path_factory.mktemp("at_home")
    source = write_csv(folder / "in.csv", messages(200))
    isolated = command_succeeds("unshare", "-rn", "sh", "-c", NETWORKS[network])
    trace = (
        folder / "trace" if command_succeeds("strace", "-f", "--seccomp-bpf", "-e", "trace=network", "true") else None
    )
    if not isolated and trace is None:
        pytest.skip("needs a network namespace (unshare -rn, ip) or strace")
    command = ["unshare", "-rn", "sh", "-c", f'{NETWORKS[network]} && exec "$@"', "sh"] if isolated else []
    if trace:
        command += ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=network", "-o", str(trace)]
    command += [sys.executable, "-c", JOB, engine, str(tiny_bundle), str(source)]
    return Observed(run_job(command, folder), isolated, trace)


def run_job(command: list[str], folder: Path) -> dict[str, Any]:
    unset = ("RAY_ADDRESS", "SPARK_MASTER")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"PYTHONPATH": str(ROOT), "NO_PROXY": METADATA, "no_proxy": METADATA}
    for attempt in range(ATTEMPTS):
        completed = subprocess.run(
            [*command, str(folder / f"out{attempt}")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=4 * TIMEOUT,
            check=False,
        )
        if "timed out during startup" not in completed.stderr:
            break
    assert completed.returncode == 0, completed.stderr
    report: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
    return report


def leaves_loopback(call: str) -> bool:
    addresses = [ipaddress.ip_address(old or new) for old, new in ADDRESS.findall(call)]
    return not all((getattr(address, "ipv4_mapped", None) or address).is_loopback for address in addresses)


@pytest.mark.slow
def test_isolated_job_completes_and_listens_on_loopback_only(observed: Observed) -> None:
    if not observed.isolated:
        pytest.skip("a network namespace is not allowed here (unshare -rn), or ip is missing")
    assert observed.report["rows"] == 200
    listeners = set(observed.report["listeners"])
    assert listeners
    assert listeners <= LOOPBACK_LISTENERS


@pytest.mark.slow
def test_job_uses_only_loopback_addresses(observed: Observed) -> None:
    assert [call for call in observed.calls if leaves_loopback(call)] == []


@pytest.mark.slow
def test_job_makes_no_dns_lookups(observed: Observed) -> None:
    assert [call for call in observed.calls if "htons(53)" in call] == []  # a resolver may be on loopback


@dataclass
class FakeRay:
    """The part of Ray that the engine uses. It records the environment and the cluster constant during ``init``."""

    constants: SimpleNamespace
    initialized: bool = False
    address: str = "127.0.0.1"
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    with_clusters: bool | None = None
    stopped: bool = False

    def is_initialized(self) -> bool:
        return self.initialized

    def init(self, **settings: Any) -> None:
        self.settings, self.environment = settings, dict(os.environ)
        self.with_clusters = self.constants.ENABLE_RAY_CLUSTER

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeManagerAddress": self.address, "Resources": {"CPU": 2}, "Alive": True}]

    def remote(self, **_: Any) -> Any:
        return lambda function: function

    def shutdown(self) -> None:
        self.stopped = True


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    constants = SimpleNamespace(ENABLE_RAY_CLUSTER=True)
    fake = FakeRay(constants)
    monkeypatch.setitem(sys.modules, CONSTANTS, constants)  # type: ignore[arg-type]
    monkeypatch.setattr(ray_backend, "library", lambda *_, **__: fake)
    monkeypatch.setattr(ray_backend, "_check_reachable", lambda _: None)
    for name in ("RAY_ADDRESS", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", PROXY)
    monkeypatch.setenv("NO_PROXY", METADATA)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    return fake


@pytest.fixture
def model(tiny_bundle: Path) -> Model:
    return Model.of(Bundle.find(tiny_bundle), OPTIONS)


def test_own_ray_disables_dashboard_telemetry_and_proxies(fake_ray: FakeRay, model: Model) -> None:
    environment_before = dict(os.environ)
    with RayEngine(model, 1):
        assert fake_ray.settings["include_dashboard"] is False
        assert fake_ray.with_clusters is False
        assert fake_ray.environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
        assert fake_ray.environment["RAY_USAGE_STATS_ENABLED"] == "0"
        proxies = {fake_ray.environment[name] for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY")}
        assert proxies == {"http://127.0.0.1:9"}
        assert "169.254" not in fake_ray.environment["NO_PROXY"] + fake_ray.environment["no_proxy"]
        assert dict(os.environ) == environment_before
        assert fake_ray.constants.ENABLE_RAY_CLUSTER is True
    assert fake_ray.stopped


@pytest.mark.parametrize("address", ["10.0.0.1:6379", "auto"])
def test_ray_address_from_environment_is_used_unchanged(
    fake_ray: FakeRay, model: Model, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    fake_ray.address = "10.0.0.1"
    with RayEngine(model, 1):
        assert fake_ray.settings["address"] == address
        assert fake_ray.environment == dict(os.environ)
        assert fake_ray.with_clusters is True


def test_ray_initialised_by_process_is_reused_and_kept_running(fake_ray: FakeRay, model: Model) -> None:
    fake_ray.initialized, fake_ray.address = True, "10.0.0.1"
    with RayEngine(model, 1):
        assert fake_ray.settings == {}
    assert not fake_ray.stopped


def test_own_ray_not_on_loopback_is_stopped_and_refused(fake_ray: FakeRay, model: Model) -> None:
    fake_ray.address = "192.0.2.7"
    with pytest.raises(WorkerError, match=r"listens on 192\.0\.2\.7 instead of loopback; .*RAY_ADDRESS"):
        RayEngine(model, 1)
    assert fake_ray.stopped


class FakeConf(dict[str, str]):
    """A ``SparkConf`` over a dictionary."""

    defaults: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        super().__init__(self.defaults)

    def setIfMissing(self, name: str, value: str) -> None:
        self.setdefault(name, value)

    def setMaster(self, master: str) -> "FakeConf":
        return self.set("spark.master", master)

    def setAppName(self, name: str) -> "FakeConf":
        return self.set("spark.app.name", name)

    def set(self, name: str, value: str) -> "FakeConf":
        self[name] = value
        return self


class FakeContext:
    """A ``SparkContext`` that records the environment of its JVM."""

    _active_spark_context: "FakeContext | None" = None
    environment: ClassVar[dict[str, str]] = {}
    defaultParallelism = 1

    def __init__(self, conf: FakeConf) -> None:
        self.conf = conf

    @classmethod
    def _ensure_initialized(cls) -> None:
        cls.environment = dict(os.environ)

    def stop(self) -> None: ...


@pytest.fixture
def fake_spark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[FakeContext]]:
    conf = type("Conf", (FakeConf,), {"defaults": {}})
    context = type("Context", (FakeContext,), {})
    module = ModuleType("pyspark")
    module.__dict__.update(SparkConf=conf, SparkContext=context, __file__=str(tmp_path / "pyspark" / "__init__.py"))
    monkeypatch.setattr(spark_backend, "library", lambda *_, **__: module)
    for name in ("SPARK_MASTER", "MASTER", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT", "SPARK_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SPARK_CONF_DIR", "SPARK_LOCAL_IP"):
        monkeypatch.delenv(name, raising=False)
    yield context


def conf_of(engine: SparkEngine) -> dict[str, str]:
    conf: dict[str, str] = engine._context.conf
    return conf


@pytest.mark.parametrize("master", [None, "local", "local[2]"])
def test_own_spark_binds_to_loopback_without_ui(
    fake_spark: type[FakeContext], model: Model, monkeypatch: pytest.MonkeyPatch, master: str | None
) -> None:
    if master:
        monkeypatch.setenv("SPARK_MASTER", master)
    with SparkEngine(model, 1) as engine:
        conf = conf_of(engine)
        assert conf["spark.master"] == (master or "local[1,4]")
        assert (conf["spark.driver.host"], conf["spark.driver.bindAddress"]) == ("127.0.0.1", "127.0.0.1")
        assert conf["spark.ui.enabled"] == "false"
        assert fake_spark.environment["SPARK_LOCAL_IP"] == "127.0.0.1"
        assert "SPARK_LOCAL_IP" not in os.environ


def name_in_defaults(home: Path, _: pytest.MonkeyPatch) -> str:
    (home / "pyspark" / "conf").mkdir(parents=True)
    (home / "pyspark" / "conf" / "spark-defaults.conf").write_text("spark.master spark://10.0.0.1:7077\n")
    return "spark.master"


def name_in_submit(_: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setenv("PYSPARK_SUBMIT_ARGS", "--master spark://10.0.0.1:7077 pyspark-shell")
    return "spark.master"


def name_in_environment(_: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setenv("SPARK_MASTER", "spark://10.0.0.1:7077")
    return ""


@pytest.mark.parametrize("naming", [name_in_defaults, name_in_submit, name_in_environment])
def test_configured_spark_master_is_used_unchanged(
    fake_spark: type[FakeContext], model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, naming: Any
) -> None:
    if known := naming(tmp_path, monkeypatch):  # the JVM would read it
        monkeypatch.setattr(spark_backend.library("pyspark").SparkConf, "defaults", {known: "spark://10.0.0.1:7077"})
    with SparkEngine(model, 1) as engine:
        assert conf_of(engine)["spark.master"] == "spark://10.0.0.1:7077"
        assert not {"spark.driver.host", "spark.driver.bindAddress"} & set(conf_of(engine))
        assert "SPARK_LOCAL_IP" not in fake_spark.environment


def test_user_spark_settings_are_not_overridden(
    fake_spark: type[FakeContext], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_IP", "192.0.2.7")
    settings = {"spark.driver.bindAddress": "0.0.0.0", "spark.ui.enabled": "true"}
    monkeypatch.setattr(spark_backend.library("pyspark").SparkConf, "defaults", settings)
    with SparkEngine(model, 1) as engine:
        assert {name: conf_of(engine)[name] for name in settings} == settings
        assert fake_spark.environment["SPARK_LOCAL_IP"] == "192.0.2.7"
