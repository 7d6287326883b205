"""Tests, intervals and sample sizes for few photos: pure numpy and scipy, used by scores, report, study, inspection."""
