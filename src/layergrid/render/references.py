"""The works that the words of a report name, in full; it knows how they are named, and no page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A work: the name that stands in the words ("Hewitt & Liang 2019"), and what finds it."""

    key: str
    authors: str
    title: str
    venue: str
    address: str = ""  # a DOI or an arXiv number, as text

    @property
    def anchor(self) -> str:
        """The address of the entry inside a document."""
        return "ref-" + re.sub(r"[^a-z0-9]+", "-", self.key.lower()).strip("-")

    @property
    def year(self) -> str:
        """The year that the name ends in."""
        return self.key[-4:]

    @property
    def text(self) -> str:
        """The entry as one line."""
        title = self.title if self.title.endswith("?") else f"{self.title}."
        return f"{self.authors} ({self.year}). {title} {self.venue}." + (f" {self.address}." if self.address else "")


WORKS = (
    Reference(
        "Abnar & Zuidema 2020", "Abnar, S. & Zuidema, W.", "Quantifying attention flow in transformers",
        "Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics (ACL), 4190\u20134197",
        "doi:10.18653/v1/2020.acl-main.385",
    ),
    Reference(
        "Busing et al. 1999", "Busing, F. M. T. A., Meijer, E. & van der Leeden, R.",
        "Delete-m jackknife for unequal m", "Statistics and Computing 9(1), 3\u20138", "doi:10.1023/A:1008800423698",
    ),
    Reference(
        "Cameron & Miller 2015", "Cameron, A. C. & Miller, D. L.",
        "A practitioner's guide to cluster-robust inference", "Journal of Human Resources 50(2), 317\u2013372",
        "doi:10.3368/jhr.50.2.317",
    ),
    Reference(
        "Cawley & Talbot 2010", "Cawley, G. C. & Talbot, N. L. C.",
        "On over-fitting in model selection and subsequent selection bias in performance evaluation",
        "Journal of Machine Learning Research 11, 2079\u20132107",
    ),
    Reference(
        "Clopper & Pearson 1934", "Clopper, C. J. & Pearson, E. S.",
        "The use of confidence or fiducial limits illustrated in the case of the binomial",
        "Biometrika 26(4), 404\u2013413", "doi:10.1093/biomet/26.4.404",
    ),
    Reference(
        "Croux & Dehon 2010", "Croux, C. & Dehon, C.",
        "Influence functions of the Spearman and Kendall correlation measures",
        "Statistical Methods & Applications 19(4), 497\u2013515", "doi:10.1007/s10260-010-0142-z",
    ),
    Reference(
        "DeLong, DeLong & Clarke-Pearson 1988", "DeLong, E. R., DeLong, D. M. & Clarke-Pearson, D. L.",
        "Comparing the areas under two or more correlated receiver operating characteristic curves: a nonparametric "
        "approach", "Biometrics 44(3), 837\u2013845", "doi:10.2307/2531595",
    ),
    Reference(
        "Hampel 1974", "Hampel, F. R.", "The influence curve and its role in robust estimation",
        "Journal of the American Statistical Association 69(346), 383\u2013393", "doi:10.1080/01621459.1974.10482962",
    ),
    Reference(
        "Hanley & McNeil 1982", "Hanley, J. A. & McNeil, B. J.",
        "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
        "Radiology 143(1), 29\u201336", "doi:10.1148/radiology.143.1.7063747",
    ),
    Reference(
        "Hewitt & Liang 2019", "Hewitt, J. & Liang, P.", "Designing and interpreting probes with control tasks",
        "Proceedings of the 2019 Conference on Empirical Methods in Natural Language Processing (EMNLP-IJCNLP), "
        "2733\u20132743", "doi:10.18653/v1/D19-1275",
    ),
    Reference(
        "Holm 1979", "Holm, S.", "A simple sequentially rejective multiple test procedure",
        "Scandinavian Journal of Statistics 6(2), 65\u201370",
    ),
    Reference(
        "Kobayashi et al. 2020", "Kobayashi, G., Kuribayashi, T., Yokoi, S. & Inui, K.",
        "Attention is not only a weight: analyzing transformers with vector norms",
        "Proceedings of the 2020 Conference on Empirical Methods in Natural Language Processing (EMNLP), "
        "7057\u20137075", "doi:10.18653/v1/2020.emnlp-main.574",
    ),
    Reference(
        "Murphy et al. 2024", "Murphy, A., Zylberberg, J. & Fyshe, A.",
        "Correcting biased centered kernel alignment measures in biological and artificial neural networks",
        "Preprint", "arXiv:2405.01012",
    ),
    Reference(
        "Nadeau & Bengio 2003", "Nadeau, C. & Bengio, Y.", "Inference for the generalization error",
        "Machine Learning 52(3), 239\u2013281", "doi:10.1023/A:1024068626366",
    ),
    Reference(
        "Nichols & Holmes 2002", "Nichols, T. E. & Holmes, A. P.",
        "Nonparametric permutation tests for functional neuroimaging: a primer with examples",
        "Human Brain Mapping 15(1), 1\u201325", "doi:10.1002/hbm.1058",
    ),
    Reference(
        "nostalgebraist 2020", "nostalgebraist", "interpreting GPT: the logit lens", "LessWrong",
    ),
    Reference(
        "Obuchowski 1997", "Obuchowski, N. A.", "Nonparametric analysis of clustered ROC curve data",
        "Biometrics 53(2), 567\u2013578", "doi:10.2307/2533958",
    ),
    Reference(
        "Orgad et al. 2025",
        "Orgad, H., Toker, M., Gekhman, Z., Reichart, R., Szpektor, I., Kotek, H. & Belinkov, Y.",
        "LLMs know more than they show: on the intrinsic representation of LLM hallucinations",
        "International Conference on Learning Representations (ICLR)", "arXiv:2410.02707",
    ),
    Reference(
        "Song et al. 2012", "Song, L., Smola, A., Gretton, A., Bedo, J. & Borgwardt, K.",
        "Feature selection via dependence maximization", "Journal of Machine Learning Research 13, 1393\u20131434",
    ),
    Reference(
        "Sun & Xu 2014", "Sun, X. & Xu, W.",
        "Fast implementation of DeLong's algorithm for comparing the areas under correlated receiver operating "
        "characteristic curves", "IEEE Signal Processing Letters 21(11), 1389\u20131393",
        "doi:10.1109/LSP.2014.2337313",
    ),
    Reference(
        "Sun et al. 2024", "Sun, M., Chen, X., Kolter, J. Z. & Liu, Z.",
        "Massive activations in large language models", "Conference on Language Modeling (COLM)", "arXiv:2402.17762",
    ),
    Reference(
        "Westfall & Young 1993", "Westfall, P. H. & Young, S. S.",
        "Resampling-based multiple testing: examples and methods for p-value adjustment", "Wiley, New York",
    ),
    Reference(
        "Wolpert 1992", "Wolpert, D. H.", "Stacked generalization", "Neural Networks 5(2), 241\u2013259",
        "doi:10.1016/S0893-6080(05)80023-1",
    ),
)  # fmt: skip


def named(texts: Iterable[str]) -> tuple[Reference, ...]:
    """The works that texts name, by their names in the alphabet."""
    whole = "\n".join(texts)
    return tuple(work for work in WORKS if re.search(rf"(?<!\w){re.escape(work.key)}(?!\d)", whole))
