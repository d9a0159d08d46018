"""A recipe: everything that decides a result, in one typed value, and the name of the run that a member makes.

Two recipes that share a member (same fields, fold table and manifest) share its run and train it once.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ffdi.config.augment import Augment
from ffdi.config.competition import Frozen
from ffdi.config.forge import Forge, ForgedSet
from ffdi.config.search import Search
from ffdi.config.views import parse
from ffdi.core import digest

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
RESERVED = {"id", "split", "relpath", "target", "fold", "group", "cluster", "imputed", "blend", "self"}  # for pandas


class Data(Frozen):
    """The images that are read. `workers` and `folds_per_device` change the speed, never the result."""

    folder: str = ""  # empty: the sample inside the package
    train_splits: tuple[Literal["train", "val"], ...] = Field(default=("train",), min_length=1)  # folded and trained on
    extra: tuple[str, ...] = ()  # folders of `ffdi forge`: fakes that are trained on and never judged
    workers: int | None = Field(default=None, ge=0, le=64)  # loader processes a fold; None: what the cores allow
    folds_per_device: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = "auto"  # side by side on one GPU


class Folds(Frozen):
    """`group`: near-duplicates together. `cluster`: besides, clusters of fakes left out whole, to imitate unseen ones.
    `official`: train on train, hold out val and its near-duplicates."""

    scheme: Literal["group", "cluster", "official"] = "group"  # see above
    k: int = Field(default=5, ge=2, le=50)  # number of folds
    seed: int = 0  # another seed deals other folds
    embedding: str = ""  # timm model whose features also find neighbours; empty: hashes alone
    clusters: int = Field(default=20, ge=2, le=1000)  # of the scheme "cluster", which needs an embedding

    @model_validator(mode="after")
    def _clusters_need_features(self) -> "Folds":
        if self.scheme == "cluster" and not self.embedding:
            raise ValueError('scheme "cluster" needs folds.embedding, a timm model such as "tf_efficientnet_lite0"')
        if self.scheme == "cluster" and self.clusters < self.k:
            raise ValueError("clusters must be at least k, so that every fold has one to hold out")
        return self

    @property
    def held_out(self) -> range:
        """Return the folds that are held out, each by a model of its own."""
        return range(1) if self.scheme == "official" else range(self.k)


class Loss(Frozen):
    """Shares of what is added to the cross-entropy; each is off at 0. See training/loss.py."""

    class_balanced: bool = False  # originals and fakes are averaged separately: neither class drowns the other
    supcon: float = Field(default=0.0, ge=0)  # supervised InfoNCE: originals pull each other, fakes are pushed off
    consistency: float = Field(default=0.0, ge=0)  # KL between an image and its noisy copy; doubles the work


class Member(Frozen):
    """One row of a blend: a model and how it is trained. All but `name` enters its identity."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=60)
    model: str  # a timm architecture, with a tag if wanted
    weights: str = "auto"  # "auto" | "none" (random start) | "hub" | a file
    num_classes: Literal[1, 2] = 1  # outputs: 1 (sigmoid) or 2 (softmax)
    stem: Literal["rgb", "srm", "npr", "dct"] = "rgb"  # what the network sees beside colour: see model/stem.py
    image_size: int = Field(default=224, ge=16, le=2048)  # side in pixels
    test_size: int | None = Field(default=None, ge=16, le=2048)  # None: as image_size
    refit_full: bool = False  # one model trained on every row, without OOF, instead of one per fold
    seed: int = 0  # of order, augmentation, dropout and a random start

    trainable: Literal["all", "norms", "head"] = "all"  # what learns; "norms": with the head
    epochs: int = Field(default=5, ge=1)  # passes over the training images
    batch_size: int = Field(default=32, ge=1)  # images of a step, of all processes together
    micro_batches: int = Field(default=1, ge=1)  # gradient accumulation: parts of one batch
    lr: Positive = 3e-4  # highest learning rate, after the warm-up
    warmup: Share = 0.1  # of all steps
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0  # lr factor from one layer to the one below it
    weight_decay: float = Field(default=0.05, ge=0)  # of AdamW; none on norms and biases
    clip_grad: float = Field(default=1.0, ge=0)  # norm; 0: off
    ema_decay: Share = 0.99  # 0: off
    drop_rate: Share = 0.0  # dropout before the head
    drop_path: Share = 0.0  # stochastic depth
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0  # 0: off
    mixup: float = Field(default=0.0, ge=0)  # alpha of the Beta; 0: off
    cutmix: float = Field(default=0.0, ge=0)  # alpha of the Beta; 0: off. It splices two originals, too
    balance: bool = False  # 1:1 classes in every epoch
    loss: Loss = Loss()  # beside the cross-entropy

    amp: Literal["auto", "off", "bf16", "fp16"] = "auto"
    compile: bool | Literal["auto"] = "auto"  # "auto": on a GPU, where the minute it takes pays

    tta: tuple[str, ...] = Field(default=("identity",), min_length=1)  # views that are predicted and averaged
    augment: Augment = Augment()  # of training images
    forge: Forge = Forge()  # fakes made of originals while training

    @field_validator("model")
    @classmethod
    def _no_hub_prefix(cls, value: str) -> str:
        if ":" in value:
            raise ValueError("name a timm architecture, without a hub prefix; weights are the key 'weights'")
        return value

    @field_validator("tta")
    @classmethod
    def _single_views(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Spell sets of views out, so that everything behind the recipe knows single views only."""
        return parse(value)

    @model_validator(mode="after")
    def _batch_splits(self) -> "Member":
        if self.batch_size < self.micro_batches:
            raise ValueError("micro_batches cannot exceed batch_size")
        return self


class Blend(Frozen):
    """`auto`: the simplest method within one standard error of the best, by nested out-of-fold scores."""

    method: Literal[
        "auto", "rank_mean", "logit_mean", "pruned_rank_mean", "pruned_logit_mean", "best_single",
        "hill_climb", "stack",
    ] = "auto"  # fmt: skip
    weights: dict[str, float] = {}  # by member; empty: as the method fits them

    @field_validator("weights")
    @classmethod
    def _not_negative(cls, value: dict[str, float]) -> dict[str, float]:
        if any(weight < 0 for weight in value.values()) or (value and sum(value.values()) <= 0):
            raise ValueError("weights must not be negative, and one must be positive")
        return value


class Cluster(Frozen):
    """A Ray cluster whose nodes share a folder; it changes no result. `--cluster` sets the address."""

    address: str = ""  # "auto" | host:port; empty: this machine alone
    gpus_per_fold: int = Field(default=1, ge=1, le=1024)  # processes that train one fold together
    memory: float = Field(default=0.0, ge=0)  # GB that a process reserves; 0: none


class Recipe(Frozen):
    """Everything that decides a result."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)
    competition: str = "multi-ffdi-phase2"  # one that ships with the kit, or the path of a TOML
    data: Data = Data()  # what is read
    folds: Folds = Folds()  # how images are held out
    member: tuple[Member, ...] = Field(min_length=1)
    blend: Blend = Blend()  # how members are blended
    forge: ForgedSet = ForgedSet()  # for `ffdi forge`; what training makes itself is the member's
    cluster: Cluster = Cluster()  # many machines
    search: Search | None = None  # what `ffdi search` varies; left out: nothing

    @model_validator(mode="after")
    def _names_are_known(self) -> "Recipe":
        names = [member.name for member in self.member]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two members are called {sorted(twice)[0]!r}; rename one")
        if reserved := RESERVED.intersection(names):
            raise ValueError(f"a member may not be called {min(reserved)!r}, which the blend's tables need; rename it")
        unknown = sorted(set(self.blend.weights) - set(names))
        if unknown:
            raise ValueError(f"blend.weights names {unknown[0]!r}, which is no member")
        return self

    @model_validator(mode="after")
    def _search_fits(self) -> "Recipe":
        if self.search is None:
            return self
        base = next((member for member in self.member if member.name == self.search.member), None)
        if base is None:
            raise ValueError(f"search.member names {self.search.member!r}, which is no member")
        if base.refit_full:
            raise ValueError(f"search.member {base.name!r} has refit_full = true, so no row is held out to score it on")
        self.search.check(base, len(self.folds.held_out))
        return self


NOT_TRAINING = {"name", "tta", "test_size"}  # they change predictions, which have an identity of their own


def member_digest(member: Member, manifest_digest: str, folds_digest: str, data: Data) -> str:
    """Return 64 hex digits that name a run.

    Args:
        member: Of the recipe.
        manifest_digest: Of the training rows.
        folds_digest: Of their folds.
        data: The recipe's [data].
    """
    config = {
        "member": member.model_dump(mode="json", exclude=NOT_TRAINING),
        "manifest": manifest_digest,
        "folds": folds_digest,
        "train_splits": list(data.train_splits),
    }
    return digest.of_json(config)
