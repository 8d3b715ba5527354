"""Calls about the licence. They are accepted at once and take effect within minutes: `licensing` tells how far CML is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workers.clients.cml.answers.licensing import Deregistration, Licensing
from workers.clients.cml.errors import CmlNodesRunning, CmlRejected
from workers.clients.cml.transport import Body, Call, Reply, Transport

_TOKEN = re.compile(r"[a-zA-Z\d+/%=-]{1,256}", re.ASCII)


class LicensingCalls(Transport):
    """The licence: how it stands, and what changes it."""

    def licensing(self) -> Licensing:
        """Registration, authorization and entitlements. Cisco CML 2.9 API, GET /licensing."""
        return Licensing.read(self._get_object("/licensing"))

    def register_license(self, *, token: str, reregister: bool = False) -> None:
        """Ask CML to register with Cisco, done once `licensing` says COMPLETED. Cisco CML 2.9 API, POST /licensing/registration.

        `token` is of Cisco's account page; it is sent, and appears nowhere else. `reregister` replaces a registration.
        Raises CmlRejected when it cannot be such a token, and CmlConflict when CML is busy with its licence.
        """
        body = None
        if _TOKEN.fullmatch(token):
            body = Body.of_json({"token": token, "reregister": reregister}, secrets=[token])
        del token  # from here on a traceback with local variables does not show it
        if body is None:
            raise CmlRejected(
                "This is no licence token: it has 1 to 256 letters, digits and the characters + / % = - and nothing else."
            )
        self._authorized(Call("POST", "/licensing/registration", body))

    def renew_registration(self) -> None:
        """Ask Cisco again now, not when it is due. Cisco CML 2.9 API, PUT /licensing/registration/renew."""
        self._authorized(Call("PUT", "/licensing/registration/renew"))

    def renew_authorization(self) -> None:
        """Ask Cisco again now what may be used. Cisco CML 2.9 API, PUT /licensing/authorization/renew."""
        self._authorized(Call("PUT", "/licensing/authorization/renew"))

    def deregister_license(self) -> Deregistration:
        """Give the licence back to Cisco. Cisco CML 2.9 API, DELETE /licensing/deregistration.

        Raises CmlNodesRunning when labs must be stopped first, CmlConflict when CML is busy with its licence. After a
        time-out (`maybe_done`) only `licensing` tells whether CML has forgotten it, and nothing whether Cisco has it back.
        """
        call = Call("DELETE", "/licensing/deregistration")
        reply = self._answered(call)
        if reply.status == 400:
            return self._not_deregistered(call, reply)
        self._checked(call, reply)
        if reply.status == 204:
            return Deregistration.RELEASED
        if reply.status == 202:
            return Deregistration.UNCONFIRMED
        return self._unexpected(call, f"HTTP {reply.status}")

    def _not_deregistered(self, call: Call, reply: Reply) -> Deregistration:
        """CML answers 400 for two opposite reasons, which only its words tell apart."""
        said = self._said(call, reply)
        words = said.lower().replace("-", "")
        if "already" in words and "deregister" in words:
            return Deregistration.ALREADY
        if "node" in words and "running" in words:
            raise CmlNodesRunning(
                f"CML at {self.base_url} does not release its licence while nodes are running: stop its labs first.",
                f"{call.name}: HTTP 400: {said}",
                description=said,
            )
        self._checked(call, reply)
        raise AssertionError("unreachable: 400 is no success")

    def set_product_license(self, name: str) -> None:
        """Choose the product, such as "CML_Enterprise", before registering. Cisco CML 2.9 API, PUT /licensing/product_license."""
        self._authorized(Call("PUT", "/licensing/product_license", Body.of_json(name)))

    def set_feature_counts(self, counts: Mapping[str, int]) -> None:
        """Ask for so many of each feature, by `LicensingFeature.feature_id`. Cisco CML 2.9 API, PATCH /licensing/features.

        CML takes one or two features at a time.
        """
        wanted = [{"id": feature_id, "count": count} for feature_id, count in counts.items()]
        self._authorized(Call("PATCH", "/licensing/features", Body.of_json(wanted)))
