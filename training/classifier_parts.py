"""A classifier's configuration made into parts: tokeniser, vocabulary, branches, loss."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from features.pipeline import FeaturesConfig
from features.records import Kind
from models.backbone import Backbone
from models.bag import BagVocabulary, NgramBag
from models.branches import LabelAttention, Layers, Votes
from models.checkpoint import read_checkpoint
from models.source import Source, resolve
from models.tokenizer import write_tokenizer
from training.classifier_config import ClassifierConfig, EncoderConfig, ObjectiveConfig
from training.losses.asymmetric import AsymmetricLoss
from training.losses.bce import BinaryCrossEntropy
from training.losses.focal import FocalLoss


def features_config(config: ClassifierConfig, record: Kind) -> FeaturesConfig:
    """Return what the pipeline is made from, and what the bundle's `features.json` will say."""
    return FeaturesConfig(
        record=record,
        fields=config.fields,
        cleaning=config.cleaning,
        ngrams=config.bag.ngrams if config.bag else None,
        max_tokens=config.encoder.max_tokens if config.encoder else None,
    )


def open_encoder(config: EncoderConfig, folder: Path) -> tuple[Source, Backbone]:
    """Load the transformer and write its `tokenizer.json` into `folder`.

    Raises:
        CheckpointError: the source is missing or unfit.
    """
    source = resolve(config.source)
    checkpoint = read_checkpoint(source.root)
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(checkpoint, folder, config.max_tokens)
    return source, Backbone.load(checkpoint, config.token_layer)


def make_branches(
    config: ClassifierConfig,
    vocabulary: BagVocabulary | None,
    backbone: Backbone | None,
    truth: NDArray[np.bool_],
    auxiliary: NDArray[np.bool_],
) -> dict[str, nn.Module]:
    """Make the branches with their first weights; every label's bias starts at its log-odds.

    `truth` [rows, labels] and `auxiliary` [rows, auxiliary labels] are those of the training rows.
    """
    everything = np.concatenate([truth, auxiliary], axis=1)
    labels, outputs = truth.shape[1], everything.shape[1]
    wanted, branches = config.branches, dict[str, nn.Module]()
    if wanted.votes is not None:
        assert vocabulary is not None
        branches["votes"] = votes = Votes(vocabulary, labels, wanted.votes.ngram_dropout)
        _start_at(votes.bias, truth)
    if wanted.layers is not None:
        bag = None
        if wanted.layers.bag_width:
            assert vocabulary is not None
            bag = NgramBag(vocabulary, wanted.layers.bag_width)
            nn.init.normal_(bag.table.weight, std=wanted.layers.table_spread)
        pooled = backbone.pooled if wanted.layers.pooled and backbone is not None else 0
        shape = wanted.layers.hidden, wanted.layers.dropout, wanted.layers.ngram_dropout
        branches["layers"] = layers = Layers(bag, pooled, outputs, *shape)
        _start_at(layers.output.bias, everything)
    if wanted.attention is not None:
        assert backbone is not None
        attention = LabelAttention(
            backbone.hidden, wanted.attention.width, labels, outputs - labels, wanted.attention.dropout
        )
        branches["attention"] = attention
        _start_at(attention.bias, truth)
        if attention.auxiliary is not None:
            _start_at(attention.auxiliary.bias, auxiliary)
    return branches


def make_loss(config: ObjectiveConfig, truth: NDArray[np.bool_]) -> nn.Module:
    """Make the loss for the labels of `truth` [rows, labels]."""
    weights = None
    if config.class_weights:
        positives = np.clip(truth.sum(axis=0), 1, len(truth))
        weights = torch.from_numpy(((len(truth) / positives - 1).clip(min=1e-3) ** config.class_weights).astype("f4"))
    if config.loss == "focal":
        return FocalLoss(config.gamma, weights)
    if config.loss == "asymmetric":
        return AsymmetricLoss(config.gamma, 0.0, config.clip, weights)
    return BinaryCrossEntropy(weights)


def _start_at(bias: nn.Parameter | torch.Tensor, truth: NDArray[np.bool_]) -> None:
    share = np.clip(truth.mean(axis=0), 1e-4, 1 - 1e-4)  # [labels]
    with torch.no_grad():
        bias.copy_(torch.from_numpy(np.log(share / (1 - share))))
