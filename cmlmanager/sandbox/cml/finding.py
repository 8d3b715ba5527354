"""Which element a request is about, and whether its caller may do this with it."""

from __future__ import annotations

from starlette.requests import Request

from cmlmanager.sandbox.cml.answering import caller, server_of
from cmlmanager.sandbox.cml.bodies import UUID
from cmlmanager.sandbox.cml.elements import Interface, Lab, Link, Node
from cmlmanager.sandbox.cml.errors import ApiError, invalid
from cmlmanager.sandbox.cml.state import CmlState, User

PERMISSIONS = ["lab_view", "lab_admin", "lab_exec", "lab_edit"]


def permissions(state: CmlState, lab: Lab, user: User) -> list[str]:
    """What this account may do with this lab: everything, what somebody shared with it or with a group of it, or nothing."""
    if user.admin or lab.owner == user.id:
        return PERMISSIONS
    mine = {user.id, *user.groups, *(group.id for group in state.groups if user.id in group.members)}
    shared = [one for kind in ("users", "groups") for one in lab.associations.get(kind, []) if one["id"] in mine]
    return [one for one in PERMISSIONS if any(one in share["permissions"] for share in shared)]


def id_in_path(request: Request, name: str) -> str:
    """An id of the path. Raises ApiError 400 for what is no UUID."""
    text: str = request.path_params[name]
    if not UUID.fullmatch(text):
        raise invalid(["path", name], "string_pattern_mismatch", "String should match the pattern of a UUID4")
    return text


def lab_of(request: Request, needs: str = "lab_view") -> Lab:
    """The lab of the path. Raises ApiError 404 for one unknown or not visible, 403 when the caller may not do this with it."""
    lab_id, state = id_in_path(request, "lab_id"), server_of(request).state
    lab = state.labs.get(lab_id)
    allowed = permissions(state, lab, caller(request)) if lab else []
    if lab is None or not allowed:
        raise ApiError(404, f"Lab not found: {lab_id}")
    if needs not in allowed:
        raise ApiError(403, f"Access denied: {needs} permission required for lab {lab_id}.")
    return lab


def node_of(request: Request, needs: str = "lab_view") -> tuple[Lab, Node]:
    """The node of the path and its lab. Raises ApiError 404."""
    lab, node_id = lab_of(request, needs), id_in_path(request, "node_id")
    node = lab.node(node_id)
    if node is None:
        raise ApiError(404, f"Node not found: {node_id}")
    return lab, node


def link_of(request: Request, needs: str = "lab_view") -> tuple[Lab, Link]:
    """The link of the path and its lab. Raises ApiError 404."""
    lab, link_id = lab_of(request, needs), id_in_path(request, "link_id")
    link = next((link for link in lab.links if link.id == link_id), None)
    if link is None:
        raise ApiError(404, f"Link not found: {link_id}")
    return lab, link


def interface_of(request: Request, needs: str = "lab_view") -> tuple[Lab, Node, Interface]:
    """The interface of the path, its node and its lab. Raises ApiError 404."""
    lab, interface_id = lab_of(request, needs), id_in_path(request, "interface_id")
    found = lab.interface(interface_id)
    if found is None:
        raise ApiError(404, f"Interface not found: {interface_id}")
    return (lab, *found)
