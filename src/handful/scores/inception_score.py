"""Inception score: how sure a classifier is of each sample, and how many classes it finds among them.

Paper: Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen (2016), "Improved Techniques for Training GANs", arXiv
    1606.03498, section 4: exp of the mean Kullback-Leibler divergence of p(y|x) from the mean of p(y|x) over samples.
Read: from 1, when all samples look alike to the classifier, to 1000, its number of classes. It looks at samples alone
    and at classes of ImageNet, of which one product shows hardly any: it says little here and ranks nothing. Its name
    on the card holds the network, since each gives other numbers: that of the papers is an Inception with its 1008
    logits, which no package brings.
Few images: it is at most the number of samples and too low when they are few. No splits: the usual mean over ten
    parts of the set is lower still. The interval comes from leaving out samples.
Oracle: the formula on constructed probabilities: k classes equally often and surely give k; one class gives 1.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, logsumexp

from handful.core.artifacts import Score
from handful.features.image_set import Features
from handful.scores.base import ImageSets, ScoreFacts, check_counts
from handful.scores.jackknife import Spread, content_order, interval, split_groups, spread

FACTS = ScoreFacts(
    better="higher",
    perfect="nobody knows: real photos of one product score little above 1 as well",
    best=1000.0,
    least_reference=0,
    least_samples=2,
    compares_with="nothing",
    needs="images",
    network="efficientnet-lite0",
    equal_counts=True,
)


def score(sets: ImageSets) -> Score:
    """The score of the samples.

    Raises:
        UserError: fewer than 2 samples.
    """
    check_counts("inception_score", FACTS, sets)
    logits = sets.logits(FACTS.network, sets.samples)
    logits = logits[content_order(logits)]
    m = len(logits)
    value = inception_score(logits)
    low = high = None
    if m > 2:
        groups = split_groups(np.arange(m))
        without = [inception_score(np.delete(logits, group, 0)) for group in groups]
        low, high = interval(value, spread(value, without, [len(group) for group in groups]), Spread(0.0, 2))
        low = max(low, 1.0)
    confidence = np.exp(log_softmax(logits, axis=1)).max(1)
    return Score(
        name=f"inception_score ({FACTS.network})",
        value=value,
        low=low,
        high=high,
        n_reference=0,
        m_samples=m,
        notes=("It sees classes of ImageNet, not faults of a product: it ranks nothing and says little here.",),
        details={"mean_confidence": float(confidence.mean()), "classes_seen": float(len(set(logits.argmax(1))))},
    )


def inception_score(logits: Features) -> float:
    """exp(E[KL(p(y|x) || p(y))]) of logits (m, classes)."""
    each = log_softmax(logits, axis=1)  # (m, classes)
    mean = logsumexp(each, axis=0) - np.log(len(each))
    return float(np.exp(np.mean(np.sum(np.exp(each) * (each - mean), axis=1))))
