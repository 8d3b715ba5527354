"""The system page: who may see workers may see it, administrators act."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from cmlmanager.system import checking, jobs, reading
from cmlmanager.system.choices import HealthState
from cmlmanager.system.forms import PauseForm
from cmlmanager.system.models import JobRun
from workers.choices import EventKind
from workers.services.notifications.audit import note
from workers.views.asker import asker

STREAM = "/api/events/stream?channel=system"
PAGE_SIZE = 50
SEE = "workers.view_worker"
ACT = "system.operate_job"


@require_safe
@permission_required(SEE, raise_exception=True)
def system(request: PersonalRequest) -> HttpResponse:
    """Health, figures and jobs; `?part=health` or `?part=jobs` is what htmx reads again by itself."""
    now = timezone.now()
    part = request.GET.get("part", "") if wants_fragment(request) else ""
    context: dict[str, Any] = {"stream_url": STREAM, "may_act": request.user.has_perm(ACT)}
    if part != "jobs":
        found = reading.checks(now=now)
        context |= {
            # What needs somebody is on top; the others stay in the register's order.
            "checks": sorted(found, key=lambda known: known.state.rank if known.state.is_trouble else len(HealthState)),
            "overall": reading.worst(found),
            "checked_at": min((one.at for one in found if one.at), default=None),
        }
    if part != "health":
        context["jobs"] = jobs.listed(now=now)
    if not part:
        context["figures"] = reading.figures()
    template = {"health": "system/components/health.html", "jobs": "system/components/jobs.html"}.get(
        part, "system/system.html"
    )
    return vary(render(request, template, context))


@require_POST
@permission_required(ACT, raise_exception=True)
def check_now(request: PersonalRequest) -> HttpResponse:
    """Ask for every check; the page changes as they come in."""
    by, now = asker(request), timezone.now()
    checking.ask(now=now)
    note(EventKind.SYSTEM_CHECK, actor=by.actor, now=now, from_address=by.from_address)
    messages.success(request, "Everything is being checked; the page changes as the answers come.")
    return redirect("system")


@require_safe
@permission_required(SEE, raise_exception=True)
def line(request: PersonalRequest) -> HttpResponse:
    """The header's line, for administrators; empty for others, and while all is well."""
    shown = reading.line() if request.user.has_perm(ACT) else None
    return render(request, "system/components/line_inside.html", {"line": shown})


@require_safe
@permission_required(SEE, raise_exception=True)
def job(request: PersonalRequest, name: str) -> HttpResponse:
    """One job with its runs; the address holds the page. htmx gets the part that changes."""
    return _job_page(request, name, PauseForm())


@require_POST
@permission_required(ACT, raise_exception=True)
def run(request: PersonalRequest, name: str) -> HttpResponse:
    """Run it once, now."""
    found = _job(name)
    try:
        jobs.run_now(name=name, by=asker(request), now=timezone.now())
    except jobs.UnableToActOnJob as refusal:
        messages.warning(request, refusal.sentence)
    else:
        messages.success(request, f"{found.label} is asked to run.")
    return redirect(_back(request, name))


@require_POST
@permission_required(ACT, raise_exception=True)
def pause(request: PersonalRequest, name: str) -> HttpResponse:
    """Let it rest, with a reason."""
    found = _job(name)
    form = PauseForm(request.POST)
    if not form.is_valid():
        return _job_page(request, name, form, status=422)
    try:
        jobs.pause(name=name, reason=form.cleaned_data["reason"], by=asker(request), now=timezone.now())
    except jobs.UnableToActOnJob as refusal:
        messages.warning(request, refusal.sentence)
    else:
        messages.success(request, f"{found.label} is paused within two seconds.")
    return redirect("system-job", name)


@require_POST
@permission_required(ACT, raise_exception=True)
def resume(request: PersonalRequest, name: str) -> HttpResponse:
    """Let it work again."""
    found = _job(name)
    try:
        jobs.resume(name=name, by=asker(request), now=timezone.now())
    except jobs.UnableToActOnJob as refusal:
        messages.warning(request, refusal.sentence)
    else:
        messages.success(request, f"{found.label} goes on.")
    return redirect(_back(request, name))


@require_safe
@permission_required(SEE, raise_exception=True)
def job_run(request: PersonalRequest, run_id: int) -> HttpResponse:
    """One run with its lines. htmx gets the part that changes."""
    found = get_object_or_404(JobRun.objects.select_related("job", "asked_by"), pk=run_id)
    shown = jobs.job(found.job_id, now=timezone.now())
    context = {"run": found, "job": shown, "label": shown.label if shown else found.job_id, "stream_url": STREAM}
    template = "system/run_body.html" if wants_fragment(request) else "system/run.html"
    return vary(render(request, template, context))


def _job(name: str) -> jobs.ListedJob:
    found = jobs.job(name, now=timezone.now())
    if found is None:
        raise Http404
    return found


def _back(request: PersonalRequest, name: str) -> str:
    """Where the button was: the list, or the job's page."""
    return reverse("system") if request.POST.get("from") == "list" else reverse("system-job", args=[name])


def _job_page(request: PersonalRequest, name: str, form: PauseForm, *, status: int = 200) -> HttpResponse:
    found = _job(name)
    page: Page[JobRun] = Paginator(jobs.runs_of(name), PAGE_SIZE).get_page(request.GET.get("page"))
    address = reverse("system-job", args=[name])
    context = {
        "job": found,
        "runs": page.object_list,
        "form": form,
        "may_act": request.user.has_perm(ACT),
        "stream_url": STREAM,
        "reread_url": f"{address}?{urlencode({'page': page.number})}" if page.number > 1 else address,
        **_links(page, address),
    }
    template = "system/job_body.html" if wants_fragment(request) and request.method != "POST" else "system/job.html"
    return vary(render(request, template, context, status=status))


def _links(page: Page[JobRun], address: str) -> dict[str, Any]:
    paginator = page.paginator
    numbers = paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1) if paginator.num_pages > 1 else ()
    noun = "kept run" if paginator.count == 1 else "kept runs"
    return {
        "page_sentence": f"{page.start_index()}–{page.end_index()} of {paginator.count} {noun}" if paginator.count else "",
        "page_links": [
            {"number": number, "url": f"{address}?page={number}", "current": number == page.number}
            if isinstance(number, int)
            else {"number": None}
            for number in numbers
        ],
        "previous_url": f"{address}?page={page.previous_page_number()}" if page.has_previous() else "",
        "next_url": f"{address}?page={page.next_page_number()}" if page.has_next() else "",
    }
