"""The whole service against a simple model: random operations of many workers at once, judged in the end.

$SEGMENTD_TEST_SEED replays the operations of a run (not how they meet), $SEGMENTD_TEST_OPERATIONS are asked by each worker.
"""

import collections
import os
import pathlib
import random
import tempfile
import threading
import time

import pytest

from conftest import Database, start_segmentd
from model_judge import Judge
from model_log import Broken
from model_workload import Worker
from model_world import World

OPERATIONS = int(os.environ.get("SEGMENTD_TEST_OPERATIONS", "600"))
WORKERS = 8
KILL_SECONDS = 1.5 if OPERATIONS < 2000 else 4


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="segmentd-model-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@pytest.fixture(scope="module")
def cluster(folder):
    """A PostgreSQL for all of this file: the one of a server that nobody asks anything, with connections for others."""
    keeper = start_segmentd(folder, "--database-connections", "32", wrapper=False)
    yield Database(folder)
    assert keeper.stop() == 0


@pytest.fixture
def seed():
    seed = int(os.environ.get("SEGMENTD_TEST_SEED", random.randrange(1 << 32)))
    print(f"SEGMENTD_TEST_SEED={seed}")
    return seed


def work(world, seed, operations=OPERATIONS):
    """Lets the workers do their operations."""
    workers = [Worker(world, number, seed, operations) for number in range(WORKERS)]
    failures = []

    def run(worker):
        try:
            worker.run()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [call for worker in workers for call in worker.calls]


def judge(world, calls):
    began = time.monotonic()
    world.finish()
    exported = world.exported()
    world.stop()
    world.settle()
    world.check()
    judge = Judge(world, calls)
    failures = judge.failures()
    # What the sweeper wrote since comes behind.
    if exported != [row.sequence for row in judge.log.rows][: len(exported)]:
        failures.insert(0, "the exported log is another one than the table's")
    aborted = sum(call.refusal is not None and call.refusal.code.name == "ABORTED" for call in calls)
    print(
        f"{len(calls)} calls, {sum(len(call.attempts) for call in calls)} attempts, {aborted} aborted, {world.kills} kills, "
        f"{len(judge.log.rows)} records, judged in {time.monotonic() - began:.1f} s")
    kinds = collections.Counter(failure.split("\n")[0] for failure in failures)
    assert not failures, f"wrong: {kinds.most_common()}\n\n" + "\n\n".join(failures[:5])
    assert aborted <= len(calls) // 100, f"{aborted} of {len(calls)} calls were aborted"


def test_concurrent_operations_are_what_a_simple_model_says(cluster, folder, seed):
    with World(cluster, "model_calm", folder) as world:
        judge(world, work(world, seed))


def test_the_same_while_the_server_is_killed_and_started_again(cluster, folder, seed):
    with World(cluster, "model_killed", folder) as world:
        with world.killing(KILL_SECONDS, random.Random(seed)):
            calls = work(world, seed)
        judge(world, calls)


def test_the_same_with_two_servers_one_of_which_is_killed_now_and_then(cluster, folder, seed):
    with World(cluster, "model_two", folder, servers=2) as world:
        with world.killing(KILL_SECONDS, random.Random(seed)):
            calls = work(world, seed)
        judge(world, calls)


TRIGGER = """
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON segmentd.{table} FOR EACH ROW EXECUTE FUNCTION spoil();
"""
SPOILED = {
    "record": TRIGGER.format(table="audit", body="IF NEW.sequence % 100 = 0 THEN RETURN NULL; END IF;"),
    "expiry": TRIGGER.format(table="memberships", body="NEW.expires_at := NEW.expires_at + interval '100 milliseconds';"),
    "answer": TRIGGER.format(table="requests", body="RETURN NULL;"),
    "conflict": """
      CREATE OR REPLACE FUNCTION segmentd.settle(expected bigint, written bigint) RETURNS xid8 LANGUAGE plpgsql VOLATILE AS $$
      BEGIN
        RETURN greatest(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8);
      END $$
    """,
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_service_that_loses_something_is_found_out(cluster, folder, seed, what):
    """A record that is not written, an expiry that is not kept, an answer that is forgotten, a conflict that is not seen."""
    # Whether it shows depends on how the workers meet.
    found = next(filter(None, (complaint(cluster, folder, seed + attempt, what, attempt) for attempt in range(10))), None)
    assert found
    print(found[:300])


def complaint(cluster, folder, seed, what, attempt):
    """The first thing that is wrong when the service is spoiled like that; None when nothing shows."""
    with World(cluster, f"model_without_{what}_{attempt}", folder) as world:
        world.run(SPOILED[what])
        calls = work(world, seed, 200)
        world.finish()
        world.stop()
        world.settle()
        try:
            return next(iter(Judge(world, calls).failures()), None)
        except Broken as error:
            return str(error)
