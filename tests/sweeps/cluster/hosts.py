"""Several hosts on this machine, made of kernel namespaces: no container engine, nothing left behind.

Each has an address of its own (10.77.0.N), a host name, processes, /dev/shm, a private folder /mnt/local, and
/mnt/shared, one folder that all hosts see unless they are made without. A host can lose its power, its cable, or
silently every packet. Everything hangs on a holder process per host, and one for the network: with them the kernel
removes interfaces, mounts and all processes of the hosts. The machine's own network is never touched.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

NETWORK = "10.77.0"
MORTAL = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: it ends with us."""
TOOLS = ("ip", "nsenter", "setpriv", "unshare")

HOLDER = """
import os, signal, time
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except ChildProcessError: pass
signal.signal(signal.SIGCHLD, reap)
print("up", flush=True)
while True: time.sleep(3600)
"""
"""The first process of a host: it adopts those whose parents have ended."""


def why_not() -> str:
    """Why there can be no hosts here; empty where there can."""
    if os.geteuid() != 0:
        return "needs root: network namespaces"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f"needs {', '.join(missing)} (iproute2, util-linux)"
    tried = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True)
    return f"cannot make namespaces: {tried.stderr.strip()}" if tried.returncode else ""


def shell(*words: str) -> None:
    """Run a command that must succeed."""
    answer = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if answer.returncode:
        raise RuntimeError(f"{' '.join(words)}: {answer.stdout}")


def first_child(pid: int) -> int:
    """The process that `unshare --fork` has made."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.01)
    raise RuntimeError("unshare made no process")


class Host:
    """One host, as if its power had just been switched on."""

    def __init__(self, network: "Network", number: int, *, shared: bool) -> None:
        self.network, self.number = network, number
        self.name, self.address = f"h{number}", f"{NETWORK}.{number + 1}"
        private = network.folder / self.name
        private.mkdir()
        seen = network.shared if shared else network.folder / f"{self.name}-alone"
        seen.mkdir(exist_ok=True)
        apart = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "--kill-child"]
        self._unshare = subprocess.Popen(
            [*MORTAL, "unshare", *apart, "--propagation", "private", sys.executable, "-S", "-E", "-c", HOLDER],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._holder = first_child(self._unshare.pid)
        assert self._unshare.stdout is not None
        with self._unshare.stdout as said:
            assert said.readline() == "up\n"
        peer = ["peer", "name", self._cable]
        shell("ip", "link", "add", "eth0", "netns", f"{self._holder}", "type", "veth", *peer, "netns", network.holder)
        network.within(f"ip link set {self._cable} master bridge up")
        self._within(
            f"""hostname {self.name}
            ip link set lo up; ip addr add {self.address}/24 dev eth0; ip link set eth0 up
            ip route add default via {NETWORK}.254
            mount -t tmpfs -o size=512m tmpfs /dev/shm
            mount --bind {network.folder}/hosts /etc/hosts
            mount -t tmpfs -o size=1m tmpfs /mnt
            mkdir /mnt/local /mnt/shared
            mount --bind {private} /mnt/local; mount --bind {seen} /mnt/shared
            mkdir -p /mnt/local/home /mnt/local/tmp"""
        )

    @property
    def _cable(self) -> str:
        return f"cable{self.number}"

    def _within(self, script: str) -> None:
        shell("nsenter", "-t", f"{self._holder}", "-n", "-m", "-u", "sh", "-ec", script)

    def start(self, *words: str, folder: str = "/mnt/local/tmp", **options: Any) -> subprocess.Popen[str]:
        """A command on this host."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "TUNE_"))}
        own = {"HOME": "/mnt/local/home", "TMPDIR": "/mnt/local/tmp", "RAY_TMPDIR": "/mnt/local"}
        enter = ["nsenter", "-t", f"{self._holder}", "-n", "-m", "-p", "-u", "-i", f"--wdns={folder}", "--"]
        environment = inherited | own | self.network.environment
        return subprocess.Popen([*enter, *words], env=environment, text=True, **options)

    def plug(self, plugged: bool) -> None:
        """Pull the cable, or put it back: the link is seen to be down."""
        self.network.within(f"ip link set {self._cable} {'up' if plugged else 'down'}")

    def lose_packets(self, losing: bool) -> None:
        """Lose every packet while the link seems up, or deliver them again."""
        self.network.within(f"ip link set {self._cable} {'nomaster' if losing else 'master bridge'}")

    def cut_power(self) -> None:
        """All processes are gone at once, and nobody is told."""
        with contextlib.suppress(RuntimeError):
            self.plug(False)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._holder, signal.SIGKILL)
        self._unshare.wait(30)


class Network:
    """A bridge that hosts are plugged into."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.folder = Path(tempfile.mkdtemp(prefix="net-"))
        self.shared = self.folder / "shared"
        self.shared.mkdir()
        names = "".join(f"{NETWORK}.{number + 1} h{number}\n" for number in range(16))
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
        self.hosts: list[Host] = []
        self._unshare = subprocess.Popen([*MORTAL, "unshare", "--net", "--fork", "--kill-child", "sleep", "infinity"])
        self.holder = str(first_child(self._unshare.pid))
        while Path(f"/proc/{self.holder}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.01)
        self.within(
            f"ip link set lo up; ip link add bridge type bridge; ip addr add {NETWORK}.254/24 dev bridge;"
            " ip link set bridge up"
        )

    def within(self, script: str) -> None:
        """Run a script in the network's namespace."""
        shell("nsenter", "-t", self.holder, "-n", "sh", "-ec", script)

    def cluster(self, cpus: Sequence[int], *, alone: Sequence[int] = ()) -> list[Host]:
        """A Ray cluster of new hosts: the head, and workers, with so many CPUs each.

        Those whose place in the list is in `alone` do not see the shared folder.
        """
        head = self.join(None, cpus[0], shared=0 not in alone)
        workers = [self.join(head, count, shared=place not in alone) for place, count in enumerate(cpus[1:], start=1)]
        return [head, *workers]

    def join(self, head: Host | None, cpus: int, *, shared: bool = True) -> Host:
        """A new host in the cluster of a head, or the head of a new one."""
        host = Host(self, len(self.hosts), shared=shared)
        self.hosts.append(host)
        role = [f"--address={head.address}:6379"] if head else ["--head", "--port=6379", "--include-dashboard=false"]
        flags = [f"--node-ip-address={host.address}", f"--num-cpus={cpus}", "--object-store-memory=100000000"]
        start = host.start(
            *(str(Path(sys.executable).with_name("ray")), "start", *role, *flags, "--disable-usage-stats"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = start.communicate(timeout=180)
        if start.returncode:
            raise RuntimeError(f"{host.name} did not join: {said}")
        return host

    def close(self) -> None:
        """Switch everything off."""
        for host in self.hosts:
            host.cut_power()
        os.kill(int(self.holder), signal.SIGKILL)
        self._unshare.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def network(environment: dict[str, str]) -> Iterator[Network]:
    """A network, gone afterwards."""
    made = Network(environment)
    try:
        yield made
    finally:
        made.close()
