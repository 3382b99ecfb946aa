"""What the benchmark of protocols is asked to do, and what it finds."""

from dataclasses import dataclass, field

from loadtests.bound import Pass, Setting
from loadtests.measure import Measurement
from loadtests.protocol_arms import ARMS, BASES, CLIENT_GRPC, LEAN_GRPC
from loadtests.summary import Spread, round_ratios
from loadtests.targets import Verdict

BOUND, STREAM, LISTS = "bound", "stream", "lists"
BULK_TITLES = {BOUND: "engine-only bound", STREAM: "EmbedStream", LISTS: "HTTP lists"}


@dataclass(frozen=True)
class Sizes:
    """How much is measured. Times are in seconds."""

    rounds: int = 5
    """Of single texts, all arms."""
    pairs: int = 8
    """Further turns of HTTP and gRPC alone, hand-written load: the nearer in time, the likelier the machine was equally
    fast for both."""
    window_s: float = 4.0
    warmup_s: float = 1.0
    callers: int = 64
    texts: int = 1024
    bulk_rounds: int = 3
    bulk_texts: int = 10_000
    bulk_size: int = 50
    """Texts of a request in the stream and in lists."""
    list_callers: int = 8
    tune_s: float = 20.0
    seed: int = 1


THOROUGH = Sizes()
QUICK = Sizes(rounds=1, pairs=1, window_s=2.0, warmup_s=0.7, texts=512, bulk_rounds=1, bulk_texts=1000, tune_s=5.0)


@dataclass(frozen=True)
class Single:
    """One arm with single texts in one round."""

    arm: str
    round: int
    measurement: Measurement
    beside_us: float
    """CPU of the server for a request beside the threads that run the graph."""

    @property
    def server_us(self) -> float:
        """CPU of the server for a request, the graph included."""
        return 1e6 * self.measurement.server_cores / self.measurement.window.texts_per_s

    @property
    def client_us(self) -> float:
        """CPU of the load process for a request."""
        return 1e6 * self.measurement.window.client_cores / self.measurement.window.texts_per_s


@dataclass(frozen=True)
class Bulk:
    """All texts once, one way, in one round."""

    arm: str
    round: int
    texts_per_s: float
    server_cores: float = 0.0
    client_cores: float = 0.0
    beside_us: float = 0.0
    """CPU of the server for a text beside the threads that run the graph."""
    padding_ratio: float = 1.0
    mean_batch: float = 1.0
    failures: int = 0
    other_cores: float = 0.0


@dataclass
class Results:
    """Everything, in the order in which it was measured."""

    facts: dict[str, str]
    sizes: Sizes
    bound_tuning: list[tuple[Setting, Pass]] = field(default_factory=list)
    singles: list[Single] = field(default_factory=list)
    bulks: list[Bulk] = field(default_factory=list)

    def of(self, arm: str) -> list[Single]:
        """Return the rounds of an arm with single texts, its turns in pairs included."""
        return [single for single in self.singles if single.arm == arm]

    def bulk(self, arm: str) -> list[Bulk]:
        """Return the rounds of a way to send all texts."""
        return [bulk for bulk in self.bulks if bulk.arm == arm]

    def over_http(self, arm: str) -> Spread:
        """Return an arm's throughput over that of HTTP under the like load, in tokens and within rounds."""
        held_against = BASES[ARMS[arm].load].name
        base = {single.round: single.measurement.window.tokens_per_s for single in self.of(held_against)}
        ours = {single.round: single.measurement.window.tokens_per_s for single in self.of(arm)}
        return round_ratios(list(ours.values()), [base[number] for number in ours])

    def share_of_bound(self, arm: str) -> Spread:
        """Return the throughput of a way to send all texts over the bound's, within rounds."""
        return round_ratios(
            [bulk.texts_per_s for bulk in self.bulk(arm)], [bulk.texts_per_s for bulk in self.bulk(BOUND)]
        )

    def judge(self) -> list[Verdict]:
        """Hold the figures against the targets; the median over the rounds decides."""
        sizes = self.sizes
        return [
            *(
                Verdict(
                    f"1 text, {sizes.callers} at once, {arm.load}: gRPC over HTTP", self.over_http(arm.name), 1.0, True
                )
                for arm in (LEAN_GRPC, CLIENT_GRPC)
            ),
            Verdict(
                f"EmbedStream, {sizes.bulk_texts:,} texts: share of the engine-only bound",
                self.share_of_bound(STREAM), 0.92, True,
            ),
        ]  # fmt: skip
