"""Accounts and groups. Cisco CML 2.9 API, "Users" and "Groups"."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import administrator, authorized, caller, server_of, strict
from cmlmanager.sandbox.cml.bodies import Fields, Items, Kind, Nullable, Text, anything, flag, uuid4
from cmlmanager.sandbox.cml.elements import new_id
from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.state import CmlState, Group, User

_PASSWORD = Fields({"old_password": Text(), "new_password": Text(least=1)}, required=("new_password",))
_ACCOUNT: dict[str, Kind] = {
    "username": Text(least=1, most=32),
    "fullname": Text(most=128),
    "description": Text(most=4096),
    "email": Nullable(Text(most=128)),
    "admin": flag,
    "groups": Items(of=uuid4),
    "associations": anything,
    "resource_pool": Nullable(uuid4),
    "opt_in": anything,
    "tour_version": Text(most=128),
    "pubkey": Text(most=4096),
}
_NEW = Fields({**_ACCOUNT, "password": Text(least=1)}, required=("username", "password"))
_CHANGED = Fields({**_ACCOUNT, "password": _PASSWORD})
_KEPT = ("username", "fullname", "description", "email", "admin", "groups")
_GROUP: dict[str, Kind] = {
    "name": Text(least=1, most=64),
    "description": Text(most=4096),
    "members": Items(of=uuid4),
    "associations": anything,
}


def _answer(state: CmlState, user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "fullname": user.fullname,
        "description": user.description,
        "email": user.email,
        "admin": user.admin,
        "groups": [group.id for group in state.groups if user.id in group.members],
        "associations": [],
        "resource_pool": None,
        "opt_in": "unset" if state.is_210 else None,
        "tour_version": "",
        "pubkey_info": "",
        "created": user.created,
        "modified": user.created,
        "directory_dn": None,
        "labs": [lab.id for lab in state.labs.values() if lab.owner == user.id],
    }


@authorized
async def users(request: Request) -> Response:
    """All accounts, for others than administrators their own."""
    state, asking = server_of(request).state, caller(request)
    return JSONResponse([_answer(state, user) for user in state.users if asking.admin or user.id == asking.id])


def _user(request: Request) -> User:
    user_id = request.path_params["user_id"]
    found = server_of(request).state.user(user_id=user_id)
    if found is None:
        raise ApiError(404, f"User does not exist: {user_id}.")
    return found


@authorized
async def user_details(request: Request) -> Response:
    """One account."""
    return JSONResponse(_answer(server_of(request).state, _user(request)))


@authorized
async def user_id(request: Request) -> Response:
    """The id of an account's name, as a JSON string."""
    username = request.path_params["username"]
    found = server_of(request).state.user(username=username)
    if found is None:
        raise ApiError(404, f"User does not exist: {username}.")
    return JSONResponse(found.id)


@administrator
async def create_user(request: Request) -> Response:
    """Answers 201."""
    body = await strict(request, _NEW)
    server = server_of(request)
    if server.state.user(username=body["username"]):
        raise ApiError(400, f"User already exists: {body['username']}.")
    known = {name: body[name] for name in _KEPT if name in body}
    made = User(id=new_id(), password=body["password"], **{"fullname": "", **known})
    server.state.users.append(made)
    server.save()
    return JSONResponse(_answer(server.state, made), 201)


@authorized
async def change_user(request: Request) -> Response:
    """Administrators change everybody, others themselves."""
    user, asking = _user(request), caller(request)
    if not asking.admin and user is not asking:
        raise ApiError(403, "Access denied: admin privileges required.")
    body = await strict(request, _CHANGED)
    if "admin" in body and not asking.admin:
        raise ApiError(403, "Access denied: admin privileges required.")
    if "password" in body:
        user.password = body["password"]["new_password"]
    for name in _KEPT:
        if name in body:
            setattr(user, name, body[name])
    server_of(request).save()
    return JSONResponse(_answer(server_of(request).state, user))


@administrator
async def remove_user(request: Request) -> Response:
    """Their labs go with them."""
    user, server = _user(request), server_of(request)
    if user is caller(request):
        raise ApiError(400, "Cannot delete the account that is signed in.")
    server.state.users.remove(user)
    server.state.labs = {lab_id: lab for lab_id, lab in server.state.labs.items() if lab.owner != user.id}
    server.save()
    return Response(status_code=204)


def _group_answer(state: CmlState, group: Group) -> dict[str, Any]:
    shared = [(lab, one) for lab in state.labs.values() for one in lab.associations["groups"] if one["id"] == group.id]
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "members": group.members,
        "labs": [
            {"id": lab.id, "permission": "read_write" if "lab_edit" in one["permissions"] else "read_only"}
            for lab, one in shared
        ],
        "associations": [{"id": lab.id, "permissions": one["permissions"]} for lab, one in shared],
        "created": group.created,
        "modified": group.created,
        "directory_dn": None,
        "directory_exists": None,
    }


@authorized
async def groups(request: Request) -> Response:
    """All groups, for others than administrators their own."""
    state, user = server_of(request).state, caller(request)
    return JSONResponse([_group_answer(state, one) for one in state.groups if user.admin or user.id in one.members])


def _group(request: Request) -> Group:
    wanted = request.path_params["group_id"]
    found = next((group for group in server_of(request).state.groups if wanted in (group.id, group.name)), None)
    if found is None:
        raise ApiError(404, f"Group does not exist: {wanted}.")
    return found


@authorized
async def group_details(request: Request) -> Response:
    """One group."""
    return JSONResponse(_group_answer(server_of(request).state, _group(request)))


@authorized
async def group_id(request: Request) -> Response:
    """The id of a group's name, as a JSON string."""
    return JSONResponse(_group(request).id)


@administrator
async def create_group(request: Request) -> Response:
    """Answers 201."""
    body = await strict(request, Fields(_GROUP, required=("name",)))
    server = server_of(request)
    if any(group.name == body["name"] for group in server.state.groups):
        raise ApiError(400, f"Group already exists: {body['name']}.")
    body.pop("associations", None)
    made = Group(id=new_id(), **body)
    server.state.groups.append(made)
    server.save()
    return JSONResponse(_group_answer(server.state, made), 201)


@administrator
async def change_group(request: Request) -> Response:
    """Name, description and members."""
    group = _group(request)
    body = await strict(request, Fields(_GROUP))
    body.pop("associations", None)
    for name, value in body.items():
        setattr(group, name, value)
    server_of(request).save()
    return JSONResponse(_group_answer(server_of(request).state, group))


@administrator
async def remove_group(request: Request) -> Response:
    """Its members stay."""
    group, server = _group(request), server_of(request)
    server.state.groups.remove(group)
    server.save()
    return Response(status_code=204)


routes = [
    Route("/users", users),
    Route("/users", create_user, methods=["POST"]),
    Route("/users/{username}/id", user_id),
    Route("/users/{user_id}", user_details),
    Route("/users/{user_id}", change_user, methods=["PATCH"]),
    Route("/users/{user_id}", remove_user, methods=["DELETE"]),
    Route("/groups", groups),
    Route("/groups", create_group, methods=["POST"]),
    Route("/groups/{group_id}/id", group_id),
    Route("/groups/{group_id}", group_details),
    Route("/groups/{group_id}", change_group, methods=["PATCH"]),
    Route("/groups/{group_id}", remove_group, methods=["DELETE"]),
]
