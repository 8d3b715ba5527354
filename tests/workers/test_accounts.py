"""Several AWS accounts: each is read, filled and operated by its own role, and an account that is away keeps nobody else waiting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from cmlmanager.system import health
from tests.conftest import signed_in
from tests.makers import make_worker
from tests.operating import by
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from tests.two_accounts import ACCOUNTS, OTHER, OWN, launch_in_other
from workers import aws_accounts, finding, provisioning
from workers.choices import OperationKind
from workers.clients.aws import client, roles
from workers.models import Event, Operation, RegionCheck, StrayInstance, Worker
from workers.services import creation, discovery, due, fleet_refresh, images, importing, metrics_refresh, places
from workers.services.operations import asking, engine

__all__ = ["simulated_aws", "simulated_aws_process"]
pytestmark = pytest.mark.django_db
REGION = "us-east-1"


@pytest.fixture(autouse=True)
def two_accounts(settings: Any, simulated_aws: SimulatedAws) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    settings.AWS_ACCOUNTS = ACCOUNTS
    images._known.clear()
    roles._kept.clear()
    client._kept.__dict__.clear()


def old(worker: Worker) -> Worker:
    """Long enough known to be called lost."""
    Worker.objects.filter(pk=worker.pk).update(created_at=timezone.now() - timedelta(hours=1))
    return worker


def both(simulated_aws: SimulatedAws) -> tuple[Worker, Worker]:
    """A worker in each account, in the same region."""
    (own,) = simulated_aws.launch(REGION, tags={"Name": "ours"})
    theirs = launch_in_other(simulated_aws, REGION)
    fields = {"region": REGION, "machine_state": "pending", "service_state": "unknown"}
    return old(make_worker(instance_id=own, **fields)), old(make_worker(instance_id=theirs, account="training", **fields))


def refresh_all() -> None:
    now = timezone.now()
    for account, region in due.due_places(now=now):
        fleet_refresh.refresh_region(region=region, account=account, now=now)
        metrics_refresh.refresh_metrics(region=region, account=account, now=now)


# ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_account_is_read_by_its_own_role_and_its_number_is_known(simulated_aws: SimulatedAws) -> None:
    own, theirs = both(simulated_aws)
    before = simulated_aws.calls().get("AssumeRole", 0)

    refresh_all()
    Worker.objects.update(aws_due_at=None, metrics_due_at=None)
    refresh_all()

    for worker, number, name in ((own, OWN, "ours"), (theirs, OTHER, "theirs")):
        worker.refresh_from_db()
        assert (worker.machine_state, worker.account_id, worker.name) == ("running", number, name)
        assert worker.metrics_succeeded_at
    assert simulated_aws.calls()["AssumeRole"] == before + 1, "credentials are kept until they end"
    assert set(RegionCheck.objects.values_list("account", "region")) == {("", REGION), ("training", REGION)}


def test_an_account_that_is_away_changes_no_worker_and_the_others_go_on(simulated_aws: SimulatedAws, uma: User) -> None:
    own, theirs = both(simulated_aws)
    refresh_all()
    simulated_aws.client("ec2", REGION).stop_instances(InstanceIds=[own.instance_id])
    simulated_aws.as_account(OTHER, "ec2", REGION).stop_instances(InstanceIds=[theirs.instance_id])
    simulated_aws.set_fault("unreachable", account=OTHER)
    Worker.objects.update(aws_due_at=None)

    refresh_all()

    own.refresh_from_db()
    theirs.refresh_from_db()
    assert (own.machine_state, theirs.machine_state) == ("stopped", "running")
    failing = RegionCheck.objects.get(failing_since__isnull=False)
    assert (failing.account, failing.region) == ("training", REGION)
    page = signed_in(uma).get("/").content.decode()
    assert f"AWS does not answer in {REGION} of training" in page

    simulated_aws.set_fault("none")
    Worker.objects.update(aws_due_at=None)
    refresh_all()
    theirs.refresh_from_db()
    assert theirs.machine_state == "stopped"
    assert not RegionCheck.objects.filter(failing_since__isnull=False).exists()


def test_a_role_that_may_not_be_assumed_says_what_to_mend_and_is_tried_again(simulated_aws: SimulatedAws) -> None:
    own, theirs = both(simulated_aws)
    simulated_aws.deny("AssumeRole")

    refresh_all()

    own.refresh_from_db()
    theirs.refresh_from_db()
    assert (own.machine_state, theirs.machine_state) == ("running", "pending")
    error = RegionCheck.objects.get(account="training").error
    assert "trust policy" in error
    assert "external id" in error
    assert "only-the-portal" not in error

    simulated_aws.deny()
    Worker.objects.update(aws_due_at=None)
    refresh_all()
    theirs.refresh_from_db()
    assert theirs.machine_state == "running"


def test_credentials_that_aws_no_longer_takes_are_got_anew(simulated_aws: SimulatedAws) -> None:
    _, theirs = both(simulated_aws)
    refresh_all()
    before = simulated_aws.calls()["AssumeRole"]
    simulated_aws.set_fault("not_enabled", account=OTHER, operation="DescribeInstances", count=1)
    for _ in range(2):
        Worker.objects.update(aws_due_at=None)
        refresh_all()
    theirs.refresh_from_db()
    assert theirs.aws_succeeded_at == theirs.aws_checked_at
    assert simulated_aws.calls()["AssumeRole"] == before + 1


def test_an_account_that_is_taken_out_of_the_settings_is_told_and_nothing_is_lost(settings: Any) -> None:
    worker = old(make_worker(account="training"))
    settings.AWS_ACCOUNTS = []
    refresh_all()
    worker.refresh_from_db()
    assert worker.machine_state == "running"
    assert "add an account named training there" in RegionCheck.objects.get(account="training").error


def test_the_same_instance_cannot_be_in_two_accounts() -> None:
    make_worker(instance_id="i-00000000000000abc")
    with pytest.raises(IntegrityError):
        make_worker(instance_id="i-00000000000000abc", account="training")


# ── Bringing in, making, operating ─────────────────────────────────────────────────────────────────────────────────


def test_instances_are_looked_for_and_imported_in_the_account_that_was_chosen(simulated_aws: SimulatedAws, ada: User) -> None:
    (own,) = simulated_aws.launch(REGION, tags={"Lesson": "import", "Name": "ours"})
    theirs = launch_in_other(simulated_aws, REGION, tags={"Lesson": "import", "Name": "theirs"})
    browser = signed_in(ada)
    answer = browser.post("/workers/import/", {"account": "training", "region": REGION, "by": "tag", "value": "Lesson=import"})
    look = Operation.objects.get(pk=answer["Location"].split("/")[-2])
    engine.run(operation_id=look.pk, now=timezone.now())

    page = browser.get(answer["Location"]).content.decode()
    browser.post(answer["Location"], {"all": "1"})

    assert f"Found in {REGION} of training" in page
    assert own not in page
    assert list(Worker.objects.values_list("instance_id", "account")) == [(theirs, "training")]


def test_discovery_looks_in_every_account(simulated_aws: SimulatedAws, settings: Any) -> None:
    (own,) = simulated_aws.launch(REGION, tags={"Found": "everywhere"})
    theirs = launch_in_other(simulated_aws, "eu-central-1", tags={"Found": "everywhere"})
    settings.DISCOVERY = True
    settings.DISCOVERY_TAG = "Found=everywhere"
    assert discovery.tick(now=timezone.now()) == len(places.configured()) == 4
    assert set(Worker.objects.values_list("instance_id", "account", "region")) == {
        (own, "", REGION),
        (theirs, "training", "eu-central-1"),
    }


def test_discovery_goes_on_where_an_account_is_away(simulated_aws: SimulatedAws, settings: Any) -> None:
    (own,) = simulated_aws.launch("us-west-2", tags={"Found": "anyway"})
    settings.DISCOVERY = True
    settings.DISCOVERY_TAG = "Found=anyway"
    simulated_aws.set_fault("unauthorized", account=OTHER)
    assert discovery.tick(now=timezone.now()) == 2
    assert Worker.objects.get().instance_id == own
    soon = RegionCheck.objects.filter(account="training", discovery_due_at__lte=timezone.now() + discovery.AGAIN)
    assert soon.count() == 2


def test_strays_are_kept_and_adopted_by_account(simulated_aws: SimulatedAws, ada: User) -> None:
    both(simulated_aws)
    stray = launch_in_other(simulated_aws, REGION, tags={finding.OUR_TAG: "gone", "Name": "stray"})
    refresh_all()
    assert list(StrayInstance.objects.values_list("instance_id", "account")) == [(stray, "training")]
    browser = signed_in(ada)
    assert f"{REGION} of training" in browser.get("/workers/import/").content.decode()
    browser.post(reverse("worker-adopt"), {"instance_id": stray})
    assert Worker.objects.get(instance_id=stray).account == "training"
    assert not StrayInstance.objects.exists()


def test_a_worker_is_made_started_and_stopped_in_its_account(simulated_aws: SimulatedAws, ada: User) -> None:
    image = simulated_aws.as_account(OTHER, "ec2", REGION).register_image(Name="cml-of-theirs", RootDeviceName="/dev/sda1")
    form = {
        "name": "made-there",
        "account": "training",
        "region": REGION,
        "instance_type": "m5zn.metal",
        "image": image["ImageId"],
    }
    browser = signed_in(ada)
    answer = browser.post("/workers/new/", form)
    look = Operation.objects.get(pk=answer["Location"].split("/")[-2])
    engine.run(operation_id=look.pk, now=timezone.now())
    look.refresh_from_db()
    worker = creation.confirm(look=look, image_id=image["ImageId"], by=by(ada), now=timezone.now())

    engine.run(operation_id=worker.operations.get().pk, now=timezone.now())
    worker.refresh_from_db()
    assert worker.account == "training"
    assert worker.instance_id
    assert f"in {REGION} of training" in Event.objects.get(kind="worker.created").after
    ec2 = simulated_aws.as_account(OTHER, "ec2", REGION)
    assert ec2.describe_instances(InstanceIds=[worker.instance_id])["Reservations"]

    worker.operations.update(state="succeeded", finished_at=timezone.now())
    refresh_all()
    stop = asking.ask(kind=OperationKind.STOP, worker=worker, by=by(ada), now=timezone.now())
    for _ in range(5):
        Operation.objects.filter(pk=stop.pk).update(due_at=timezone.now())
        engine.run(operation_id=stop.pk, now=timezone.now())
    [there] = ec2.describe_instances(InstanceIds=[worker.instance_id])["Reservations"][0]["Instances"]
    assert there["State"]["Name"] in {"stopping", "stopped"}


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"account": "training", "region": "us-west-2"}, "region", "is used in us-east-1, eu-central-1 only"),
        ({"account": "nobody"}, "account", "Select a valid choice"),
    ],
)
def test_a_region_that_the_account_has_not_is_refused_beside_the_field(
    ada: User, changes: dict[str, str], field: str, says: str
) -> None:
    form = {"name": "x", "account": "main", "region": REGION, "instance_type": "m5zn.metal", "image": "cisco-cml2*"} | changes
    answer = signed_in(ada).post("/workers/new/", form)
    assert answer.status_code == 422
    assert says in " ".join(answer.context["form"].errors[field])


# ── Seeing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_fleet_is_filtered_by_account_and_says_whose_each_worker_is(uma: User) -> None:
    make_worker(name="at-home")
    abroad = make_worker(name="abroad", account="training", account_id=OTHER)
    browser = signed_in(uma)

    page = browser.get("/?account=training")
    rows = page.content.decode()

    assert [worker.name for worker in page.context["page"].object_list] == ["abroad"]
    assert "Account: training" in rows
    assert [facet[:1] + facet[2:] for facet in page.context["options"]["accounts"]] == [("main", 1), ("training", 1)]
    assert [worker.name for worker in browser.get("/?account=main").context["page"].object_list] == ["at-home"]
    assert OTHER in browser.get(f"/workers/{abroad.pk}/").content.decode()


def test_with_one_account_no_page_speaks_of_accounts(uma: User, ada: User, settings: Any) -> None:
    settings.AWS_ACCOUNTS = []
    worker = make_worker(account_id=OWN)
    page = signed_in(uma).get("/").content.decode()
    assert "facet-account" not in page
    assert "default" not in page.partition('id="fleet-table"')[2]
    assert 'name="account"' not in signed_in(ada).get("/workers/new/").content.decode()
    assert OWN in signed_in(uma).get(f"/workers/{worker.pk}/").content.decode()


# ── The setting ────────────────────────────────────────────────────────────────────────────────────────────────────

ROLE = "arn:aws:iam::222222222222:role/cml-portal"


@pytest.mark.parametrize(
    ("accounts", "says"),
    [
        ({}, "must be a list"),
        (["training"], "Account 1 of AWS_ACCOUNTS is not an object"),
        ([{"name": "Big Name"}], "small letters"),
        ([{"name": "a", "role": ROLE}], "role is not known; use name, account_id"),
        ([{"name": "a", "account_id": 123456789012}], "account_id must be a str"),
        ([{"name": "a", "account_id": "12"}], "12 digits"),
        ([{"name": "a", "role_arn": "arn:aws:iam::2:role/x"}], "role_arn must look like"),
        ([{"name": "a", "role_arn": ROLE, "account_id": OWN}], "its account_id is another"),
        ([{"name": "a", "external_id": "abc"}], "external_id is for a role"),
        ([{"name": "a", "role_arn": ROLE, "external_id": "a b"}], "external_id must be"),
        ([{"name": "a", "regions": ["mars"]}], "'mars' is no region"),
        ([{"name": "a", "regions": ["us-east-1", "us-east-1"]}], "regions names one twice"),
        ([{"name": "a", "role_arn": ROLE}, {"name": "b", "role_arn": ROLE}], f"has the account {OTHER} twice"),
        ([{"name": "a", "role_arn": ROLE}, {"name": "a"}], "has the name a twice"),
        ([{"name": "a"}, {"name": "b"}], "a and b have no role_arn"),
    ],
)
def test_what_no_account_can_be_is_said(accounts: Any, says: str) -> None:
    assert any(says in sentence for sentence in aws_accounts.problems(accounts)), aws_accounts.problems(accounts)


def test_an_external_id_is_in_no_representation() -> None:
    training = aws_accounts.named("training")
    assert training
    assert aws_accounts.problems(ACCOUNTS) == []
    assert "only-the-portal" not in repr(training) + repr(places.role_of(training))


def test_importing_by_the_same_question_twice_is_one_worker(simulated_aws: SimulatedAws) -> None:
    theirs = launch_in_other(simulated_aws, "eu-central-1", tags={"Twice": "1"})
    where = {"region": "eu-central-1", "account": "training"}
    for _ in range(2):
        found = importing.find(**where, question={"tag": "Twice=1"})
        importing.import_instances(
            **where, instances=found, by=discovery.Asker(actor=discovery.record.SYSTEM), now=timezone.now()
        )
    assert Worker.objects.get().instance_id == theirs


def test_a_template_and_a_proposal_that_is_changed_keep_their_account(settings: Any, ada: User) -> None:
    settings.PROVISIONING = [{"name": "There", "account": "training", "region": REGION}]
    browser = signed_in(ada)
    assert browser.get("/workers/new/?template=1").context["form"].initial["account"] == "training"
    form = {"name": "x", "account": "training", "region": REGION, "instance_type": "m5zn.metal", "image": "cisco-cml2*"}
    answer = browser.post("/workers/new/", form)
    look = Operation.objects.get(pk=answer["Location"].split("/")[-2])
    assert look.parameters["account"] == "training"
    again = browser.get(f"/workers/new/?from={look.pk}").content.decode()
    assert '<option value="training" selected>training (222222222222)</option>' in again
    assert provisioning.problems([{"name": "Nowhere", "account": "nobody"}], [REGION], ["main", "training"]) == [
        "Template Nowhere of PROVISIONING: account nobody is not in AWS_ACCOUNTS."
    ]


def test_the_system_page_checks_each_region_of_each_account_by_its_role(simulated_aws: SimulatedAws) -> None:
    names = [check.name for check in health.checks() if check.name.startswith("aws.")]
    assert names == [f"aws.{place}" for place in (REGION, "us-west-2", f"{REGION}@training", "eu-central-1@training")]
    simulated_aws.deny("DescribeImages", account=OTHER)
    ours, theirs = health.check_named(f"aws.{REGION}"), health.check_named(f"aws.{REGION}@training")
    assert ours
    assert theirs
    assert "may not" not in ours.run().sentence
    assert theirs.label == f"AWS {REGION} of training"
    assert "The portal may not: ec2:DescribeImages" in theirs.run().sentence


def test_credentials_of_a_role_are_renewed_before_they_end(simulated_aws: SimulatedAws) -> None:
    both(simulated_aws)
    refresh_all()
    before = simulated_aws.calls()["AssumeRole"]
    [credentials] = roles._kept.values()
    # What botocore looks at before each call: from ten minutes before the end it does not go on without new ones.
    credentials._expiry_time = timezone.now() + timedelta(minutes=5)

    Worker.objects.update(aws_due_at=None)
    refresh_all()

    assert simulated_aws.calls()["AssumeRole"] == before + 1
    assert not RegionCheck.objects.filter(failing_since__isnull=False).exists()
