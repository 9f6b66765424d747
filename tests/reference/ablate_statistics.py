"""Student's t, the paired test, Welch's interval and Holm's correction by SciPy and statsmodels, for
tests/apps/ablate_statistics_test.cpp.

    python3 tests/reference/ablate_statistics.py      (scipy, statsmodels; writes ablate_statistics.csv beside this file)

A line is kind,a,b,result; several numbers have spaces between them.
two-sided: of t = a and b degrees of freedom, the p-value. quantile: of probability a and b degrees of freedom.
paired, welch: of the samples a and b, the 95% interval of the difference of means, and p.
holm: of the p-values a, the adjusted ones.

With --until-resolved it prints how often a difference is found where there is none, when the paired test is looked at
after every seed from 3 to N and the first p below 0.05 ends it: what docs/ablation.md says of that flag.
"""
import os
import sys

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests


def text(values):
    return " ".join(repr(float(value)) for value in np.atleast_1d(values))


def references():
    for t in (0.0, 1e-9, 0.1, 1.0, 2.5, 12.706, 60.0, 1e6):
        for v in (0.7, 1, 2, 3.5, 9, 29, 1000, 1e7):
            yield "two-sided", t, v, 2 * stats.t.sf(t, v)
    for p in (0.5, 0.75, 0.95, 0.975, 0.995, 0.9999995):
        for v in (0.9, 1, 2, 3.3, 7, 49, 1e5):
            yield "quantile", p, v, stats.t.ppf(p, v)
    random = np.random.default_rng(0)
    for n in (2, 3, 5, 8, 30):
        for shift in (0.0, 0.002, 0.02):
            common = random.normal(0.7, 0.01, n)
            a = np.round(common + shift + random.normal(0, 0.003, n), 4)
            b = np.round(common + random.normal(0, 0.003, n), 4)
            paired = stats.ttest_rel(a, b)
            yield "paired", a, b, [*paired.confidence_interval(0.95), paired.pvalue]
            welch = stats.ttest_ind(a, b, equal_var=False)
            yield "welch", a, b, [*welch.confidence_interval(0.95), welch.pvalue]
    for p in ([0.04], [0.01, 0.04, 0.03, 0.005], [0.02, 0.02, 0.02], [0.5, 0.9, 0.001, 0.0, 1.0],
              np.round(random.uniform(0, 0.1, 12), 4)):
        yield "holm", p, [], multipletests(p, method="holm")[1]


def found_by_looking(most, trials=200000):
    """The share of trials without a difference in which a look after 3, 4, ... or `most` seeds has p below 0.05."""
    differences = np.random.default_rng(1).normal(size=(trials, most))
    found = np.zeros(trials, bool)
    for n in range(3, most + 1):
        found |= stats.ttest_1samp(differences[:, :n], 0, axis=1).pvalue < 0.05
    return found.mean()


if "--until-resolved" in sys.argv:
    for most in (3, 6, 10, 20):
        print(f"3 to {most} seeds: {found_by_looking(most):.3f}")
else:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ablate_statistics.csv"), "w") as file:
        file.write("kind,a,b,result\n")
        for kind, a, b, result in references():
            file.write(f"{kind},{text(a)},{text(b)},{text(result)}\n")
