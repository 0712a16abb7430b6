"""What holds for every test."""

from hypothesis import HealthCheck, settings

# How long something takes is measured by benchmarks: a busy machine must not fail a test.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
