"""A new worker: what the form takes, the look for its image, and the confirmation, which makes one worker however often it is pressed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers import provisioning
from workers.choices import ActorKind
from workers.creation_forms import CreateWorkerForm
from workers.models import Event, Operation, Worker
from workers.services import creation
from workers.services.operations import engine
from workers.services.operations.asking import Asker
from workers.services.record import Actor

__all__ = ["simulated_aws", "simulated_aws_process"]
pytestmark = pytest.mark.django_db
REGION = "us-east-1"
FORM = {
    "name": "encor-9",
    "region": REGION,
    "instance_type": "m5zn.metal",
    "image": "cisco-cml2.9*",
    "cml_version": "2.9.1",
    "subnet_id": "subnet-0123456789abcdef0",
    "security_group_ids": "sg-0123456789abcdef0, sg-12345678",
    "key_name": "cml",
    "root_volume_gib": "128",
    "require_imds_v2": "on",
    "tags": "Team=training\nCourse = ENCOR",
}


def proposed(person: User, **changes: str) -> Operation:
    """A proposal whose look has not been done yet."""
    answer = signed_in(person).post("/workers/new/", FORM | changes)
    assert answer.status_code == 302, answer.context["form"].errors
    return Operation.objects.get(pk=answer["Location"].split("/")[-2])


def looked(person: User, **changes: str) -> Operation:
    """A proposal with two images to choose from."""
    look = proposed(person, **changes)
    images = [
        {
            "image_id": "ami-00000000000000002",
            "name": "cisco-cml2.9.1",
            "created_at": "2026-02-01",
            "root_device_name": "/dev/xvda",
        },
        {
            "image_id": "ami-00000000000000001",
            "name": "cisco-cml2.9.0",
            "created_at": "2025-12-01",
            "root_device_name": "/dev/sda1",
        },
    ]
    now = timezone.now()
    Operation.objects.filter(pk=look.pk).update(state="succeeded", finished_at=now, result={"images": images})
    look.refresh_from_db()
    return look


def by(person: User) -> Asker:
    return Asker(actor=Actor(kind=ActorKind.PERSON, user=person), from_address="192.0.2.9")


# ── The form ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_good_form_asks_ec2_and_changes_nothing_yet(ada: User) -> None:
    look = proposed(ada)

    assert (look.kind, look.state, look.actor) == ("look", "pending", ada)
    assert look.parameters["image_name"] == "cisco-cml2.9*"
    assert look.parameters["proposal"]["security_group_ids"] == ["sg-0123456789abcdef0", "sg-12345678"]
    assert look.parameters["proposal"]["tags"] == {"Team": "training", "Course": "ENCOR"}
    assert not Worker.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "required"),
        ("name", "x" * 256, "255"),
        ("name", "a\x07b", "not allowed"),
        ("region", "eu-nowhere-1", "not one of"),
        ("instance_type", "metal", "looks like"),
        ("instance_type", "m5zn.metal; rm", "looks like"),
        ("image", "ami-xyz", "hexadecimal"),
        ("image", "*", "3 to 128"),
        ("image", "a*b", "at least three"),
        ("image", "", "required"),
        ("cml_version", "newest", "looks like"),
        ("subnet_id", "subnet-1", "hexadecimal"),
        ("security_group_ids", "sg-0123456789abcdef0, default", "default is no security group"),
        ("security_group_ids", " ".join(f"sg-{n:08x}" for n in range(17)), "At most 16"),
        ("key_name", "schlüssel", "ASCII"),
        ("root_volume_gib", "7", "greater than or equal to 8"),
        ("root_volume_gib", "16385", "less than or equal to 16384"),
        ("root_volume_gib", "many", "whole number"),
        ("tags", "Team", "form key=value"),
        ("tags", "aws:x=1", "belong to AWS"),
        ("tags", "cml-manager:worker=1", "finds its workers"),
        ("tags", "Name=other", "set by the portal"),
        ("tags", "a=1\na=2", "twice"),
        ("tags", "k" * 129 + "=1", "128"),
        ("tags", "k=" + "v" * 257, "256"),
        ("tags", "\n".join(f"k{n}=v" for n in range(48)), "allows 50"),
    ],
)
def test_what_ec2_would_not_take_is_said_beside_the_field(field: str, value: str, says: str, ada: User) -> None:
    answer = signed_in(ada).post("/workers/new/", FORM | {field: value})

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert says in str(answer.context["form"].errors[field])
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("kind", "nested", "says"),
    [
        ("m5zn.metal", False, ""),
        ("m5zn.metal", True, "bare metal"),
        ("m8i.2xlarge", True, ""),
        ("m8i.2xlarge", False, "tick this"),
        ("c8i-flex.4xlarge", True, ""),
        ("r8id.8xlarge", True, ""),
        ("m8i.metal-48xl", True, "bare metal"),
        ("c5.2xlarge", True, "does not offer it"),
        ("c5.2xlarge", False, ""),
    ],
)
def test_nested_virtualisation_is_for_the_families_that_have_it(kind: str, nested: bool, says: str) -> None:
    form = CreateWorkerForm(FORM | {"instance_type": kind} | ({"nested_virtualization": "on"} if nested else {}))

    assert form.is_valid() is not bool(says)
    assert says in str(form.errors.get("nested_virtualization", ""))


def test_forty_seven_tags_of_full_length_fit(ada: User) -> None:
    tags = "\n".join(f"{n:0128}={'v' * 256}" for n in range(47))

    assert len(proposed(ada, tags=tags).parameters["proposal"]["tags"]) == 47


def test_a_template_fills_the_form_and_a_proposal_can_be_changed(ada: User, settings: Any) -> None:
    settings.PROVISIONING = [
        {"name": "Small", "instance_type": "m8i.2xlarge", "nested_virtualization": True, "tags": {"a": "b"}}
    ]
    browser = signed_in(ada)

    form = browser.get("/workers/new/?template=1").context["form"]
    assert (form["instance_type"].value(), form["nested_virtualization"].value(), form["tags"].value()) == (
        "m8i.2xlarge",
        True,
        "a=b",
    )
    again = browser.get(f"/workers/new/?from={proposed(ada).pk}").context["form"]
    assert again["image"].value() == "cisco-cml2.9*"
    assert again["security_group_ids"].value() == "sg-0123456789abcdef0, sg-12345678"
    for odd in ("template=9", "template=²", "from=x", f"from={'0' * 32}"):
        assert browser.get(f"/workers/new/?{odd}").context["form"]["name"].value() is None


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ({"instance_type": "m5zn.metal"}, "no name"),
        ({"name": "A", "flavour": "x"}, "flavour is not known"),
        ({"name": "A", "region": "mars-1"}, "mars-1 is not in AWS_REGIONS"),
        ({"name": "A", "subnet_id": "net"}, "subnet_id is 'net'"),
        ({"name": "A", "root_volume_gib": 4}, "8 to 16384"),
        ({"name": "A", "root_volume_gib": "64"}, "must be a int"),
        ({"name": "A", "image": "*"}, "image:"),
        ({"name": "A", "security_group_ids": ["default"]}, "security_group_ids holds"),
        ({"name": "A", "tags": {"aws:x": "y"}}, "tags:"),
        ("nonsense", "not an object"),
    ],
)
def test_a_wrong_template_is_named_by_the_system_check(template: Any, says: str) -> None:
    (problem,) = provisioning.problems([template], [REGION])

    assert says in problem
    assert says.startswith("mars") or provisioning.templates([template]) == []


# ── The confirmation ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_waits_then_shows_images_summary_and_what_is_paid_for(ada: User) -> None:
    browser = signed_in(ada)
    waiting = proposed(ada)
    page = browser.get(f"/workers/new/{waiting.pk}/").content.decode()
    assert "EC2 is being asked" in page
    assert "every 2s" in page
    assert "<noscript>" in page

    make_worker(name="encor-9")
    page = browser.get(f"/workers/new/{looked(ada, detailed_monitoring='on').pk}/").content.decode()
    assert "every 2s" not in page
    assert page.index("ami-00000000000000002") < page.index("ami-00000000000000001")
    assert "128 GiB volume" in page
    assert "10.24 USD a month" in page
    assert "Detailed monitoring" in page
    assert "There is a worker called encor-9 already" in page


def test_htmx_gets_the_part_that_waits(ada: User) -> None:
    answer = signed_in(ada).get(f"/workers/new/{proposed(ada).pk}/", headers={"HX-Request": "true"})

    assert answer.content.decode().strip().startswith('<div id="look"')
    assert "HX-Request" in answer["Vary"]


def test_a_refused_look_says_why_and_leads_back(ada: User) -> None:
    look = proposed(ada)
    Operation.objects.filter(pk=look.pk).update(state="refused", finished_at=timezone.now(), sentence="There is no image.")

    page = signed_in(ada).get(f"/workers/new/{look.pk}/").content.decode()

    assert "There is no image." in page
    assert f"?from={look.pk}" in page


def test_confirming_records_the_worker_its_event_and_its_operation(ada: User) -> None:
    look = looked(ada)

    answer = signed_in(ada).post(f"/workers/new/{look.pk}/", {"image_id": "ami-00000000000000001"})

    worker = Worker.objects.get()
    assert answer["Location"] == f"/workers/{worker.pk}/"
    assert (worker.name, worker.machine_state, worker.instance_id, worker.region) == ("encor-9", "pending", "", REGION)
    assert (worker.ami_id, worker.ami_name, worker.instance_type) == ("ami-00000000000000001", "cisco-cml2.9.0", "m5zn.metal")
    operation = Operation.objects.get(kind="create")
    assert (operation.worker, operation.actor, operation.state) == (worker, ada, "pending")
    assert operation.parameters == {
        "region": REGION,
        "image_id": "ami-00000000000000001",
        "root_device_name": "/dev/sda1",
        "instance_type": "m5zn.metal",
        "subnet_id": "subnet-0123456789abcdef0",
        "security_group_ids": ["sg-0123456789abcdef0", "sg-12345678"],
        "key_name": "cml",
        "root_volume_gib": 128,
        "require_imds_v2": True,
        "detailed_monitoring": False,
        "nested_virtualization": False,
        "tags": {"Team": "training", "Course": "ENCOR", "cml-version": "2.9.1"},
    }
    story = Event.objects.order_by("id").values_list("kind", "actor_name", "from_address", "after")
    assert list(story) == [
        ("worker.created", "ada", "127.0.0.1", f"m5zn.metal in {REGION} from cisco-cml2.9.0"),
        ("operation.asked", "ada", "127.0.0.1", "Create"),
    ]


def test_confirming_twice_creates_one_and_leads_to_it_both_times(ada: User) -> None:
    look, browser = looked(ada), signed_in(ada)
    stale = Operation.objects.get(pk=look.pk)

    first, second = (browser.post(f"/workers/new/{look.pk}/", {"image_id": "ami-00000000000000002"}) for _ in range(2))

    assert first["Location"] == second["Location"]
    with pytest.raises(creation.UnableToCreate, match="already"):
        # Two at the same moment: this one read the look before the other one used it.
        creation.confirm(look=stale, image_id="ami-00000000000000001", by=by(ada), now=timezone.now())
    assert Worker.objects.count() == Operation.objects.filter(kind="create").count() == 1


@pytest.mark.parametrize(
    ("image", "age", "says"), [("ami-99999999", 0, "Choose one"), ("ami-00000000000000002", 13, "too long ago")]
)
def test_another_image_or_an_old_look_is_refused(image: str, age: int, says: str, ada: User) -> None:
    look = looked(ada)

    with pytest.raises(creation.UnableToCreate, match=says):
        creation.confirm(look=look, image_id=image, by=by(ada), now=timezone.now() + timedelta(hours=age))
    assert not Worker.objects.exists()


def test_a_look_that_is_not_done_creates_nothing(ada: User) -> None:
    look = proposed(ada)

    answer = signed_in(ada).post(f"/workers/new/{look.pk}/", {"image_id": "ami-00000000000000002"})

    assert answer["Location"] == f"/workers/new/{look.pk}/"
    assert not Worker.objects.exists()


def test_a_look_for_something_else_is_no_proposal(ada: User) -> None:
    look = proposed(ada)
    Operation.objects.filter(pk=look.pk).update(parameters={"what": "instances", "region": REGION})

    assert signed_in(ada).get(f"/workers/new/{look.pk}/").status_code == 404


def test_only_admins_create(uma: User, miguel: User, ada: User) -> None:
    look = looked(ada)
    for person in (uma, miguel):
        browser: Client = signed_in(person)
        assert browser.post("/workers/new/", FORM).status_code == 403
        assert browser.post(f"/workers/new/{look.pk}/", {"image_id": "ami-00000000000000002"}).status_code == 403
        assert "New worker" not in browser.get("/").content.decode()
    assert not Worker.objects.exists()
    assert "New worker" in signed_in(ada).get("/").content.decode()


# ── With EC2 ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_newest_image_of_trusted_accounts_is_offered_first(simulated_aws: SimulatedAws, ada: User, settings: Any) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    mine = simulated_aws.image(REGION, "creation-test-1")
    look = proposed(ada, image="creation-test-*")

    engine.run(operation_id=look.pk, now=timezone.now())
    look.refresh_from_db()
    assert [image["image_id"] for image in look.result["images"]] == [mine]
    assert look.result["images"][0]["root_device_name"] == "/dev/sda1"

    settings.AMI_OWNERS = ["210987654321"]
    look = proposed(ada, image="creation-test-*")
    engine.run(operation_id=look.pk, now=timezone.now())
    look.refresh_from_db()
    assert look.state == "refused"
    assert "belongs to 210987654321" in look.sentence


def test_the_confirmed_worker_is_launched_with_what_was_proposed(simulated_aws: SimulatedAws, ada: User, settings: Any) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    image = simulated_aws.image(REGION, "creation-launch")
    plain = {"subnet_id": "", "security_group_ids": "", "key_name": "", "instance_type": "m8i.2xlarge"}
    look = proposed(ada, image=image, nested_virtualization="on", **plain)
    engine.run(operation_id=look.pk, now=timezone.now())
    look.refresh_from_db()

    worker = creation.confirm(look=look, image_id=image, by=by(ada), now=timezone.now())
    engine.run(operation_id=Operation.objects.get(kind="create").pk, now=timezone.now())

    worker.refresh_from_db()
    told = simulated_aws.client("ec2", REGION).describe_instances(InstanceIds=[worker.instance_id])
    (instance,) = told["Reservations"][0]["Instances"]
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert (instance["ImageId"], instance["InstanceType"]) == (image, "m8i.2xlarge")
    assert tags == {
        "Name": "encor-9",
        "Team": "training",
        "Course": "ENCOR",
        "cml-version": "2.9.1",
        "cml-manager:worker": str(worker.pk),
    }
