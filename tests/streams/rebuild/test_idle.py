"""What a rebuild takes for the jobs' own is what the jobs say."""

from __future__ import annotations

from loopin_streams.enrich.job import EnrichJob
from loopin_streams.identity.job import IdentityJob
from loopin_streams.merge.job import MergeJob
from loopin_streams.rebuild.idle import JOBS


def test_every_topic_of_a_jobs_own_partition_is_settled_before_a_rebuild() -> None:
    jobs = {
        job.name: {job.state_topic, *job.history, *job.outputs} for job in (EnrichJob, MergeJob, IdentityJob)
    }
    assert {job: {topic.name for topic in topics} for job, topics in JOBS.items()} == jobs
