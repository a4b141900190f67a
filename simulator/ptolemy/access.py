"""Tokens and roles (contract section 2)."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.config import ROLES, Config
from simulator.exchange import Refusal
from simulator.switches import Role

RANK = {role: rank for rank, role in enumerate(ROLES)}


@dataclass(slots=True)
class Token:
    """A live token; ``workspace`` is the slug it is valid for."""

    name: str
    workspace: str
    role: Role
    expires_at: float | None = None
    revoked: bool = False

    def may(self, role: Role) -> bool:
        """Whether the token has at least the rights of ``role``."""
        return RANK[self.role] >= RANK[role]


class Access:
    """All tokens of all workspaces."""

    def __init__(self, config: Config) -> None:
        self._tokens: dict[str, Token] = {}
        for workspace in config.workspaces:
            for role in ROLES:
                token = Token(f"{workspace.slug}:{role}", workspace.slug, role)
                self._tokens[config.token(workspace.slug, role)] = token
            for extra in workspace.tokens:
                expires_at = extra.expires_at.timestamp() if extra.expires_at else None
                token = Token(extra.name, workspace.slug, extra.role, expires_at)
                self._tokens[extra.token] = token

    def authenticate(self, header: str | None, now: float) -> Token:
        """The token of an Authorization header.

        Raises:
            Refusal: 401 when it is missing, unknown, expired or revoked.
        """
        scheme, _, text = (header or "").partition(" ")
        token = self._tokens.get(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise Refusal(401, "A valid bearer token is needed", code="unauthorized")
        if token.revoked:
            raise Refusal(401, "The token was revoked", code="token_revoked")
        if token.expires_at is not None and now >= token.expires_at:
            raise Refusal(401, "The token has expired", code="token_expired")
        return token

    def named(self, name: str) -> Token | None:
        """The token of a name, as the call counts show it."""
        return next((token for token in self._tokens.values() if token.name == name), None)
