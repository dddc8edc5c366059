"""A world that is served: the real server and institution, on free ports."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from tallymark_institution.app import Clock as InstitutionClock
from tallymark_institution.app import Options
from tallymark_institution.app import serving as serving_institution
from tallymark_server.app import serve
from tallymark_server.institution import CreditInstitution, open_institution_channel
from tallymark_server.keyring import Keyring
from tallymark_server.keys.high_water import Shown
from tallymark_server.limits import UNSAFE_WIDE_FOR_TESTS, Limits
from tallymark_server.parts import Parts
from tallymark_server.passwords import UNSAFE_FAST_FOR_TESTS
from tallymark_server.storage.sqlite_backup import Backups
from tallymark_server.storage.store import Store
from tallymark_server.tls.authority import Authority
from tallymark_server.tls.server_tls import ServerTls
from tallymark_server.watching.tracing import Tracing
from tests.contract.institution_fixtures import StoppedClock
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import MovedClock
from tests.world.files import backups_of_tests
from tests.world.world import SentNumbers, World

__all__ = ["world"]


@asynccontextmanager
async def world(  # noqa: PLR0913 -- what may differ from server to server
    store: Store,
    keyring: Keyring,
    *,
    limits: Limits = UNSAFE_WIDE_FOR_TESTS,
    authority: Authority | None = None,
    clock: MovedClock | None = None,
    backups: Backups | None = None,
    keep_shown: Callable[[Shown], None] = lambda _: None,
    institution: CreditInstitution | None = None,
    tracing: Tracing | None = None,
    again: bool = False,
) -> AsyncIterator[World]:
    """Serve on a store that the caller closes; one that was served before is furnished."""
    async with AsyncExitStack() as stack:
        institution_clock = StoppedClock()
        institution_port = await stack.enter_async_context(
            serving_institution(
                Options(listen="127.0.0.1:0"),
                clock=InstitutionClock(now=institution_clock.now, sleep=institution_clock.sleep),
                grace_seconds=0,
            )
        )
        channel = open_institution_channel(
            f"127.0.0.1:{institution_port}",
            interceptors=tracing.interceptors() if tracing else (),
        )
        stack.push_async_callback(channel.close)
        clock = clock or MovedClock()
        authority = authority or new_authority(LONG_LIVES)
        institution = institution or CreditInstitution(channel)
        numbers = SentNumbers()
        parts = Parts(
            store=store,
            clock=clock,
            keyring=keyring,
            institution=institution,
            number_sender=numbers,
            password_profile=UNSAFE_FAST_FOR_TESTS,
            limits=limits,
            authority=authority,
            tls=ServerTls(authority, clock=clock, host_names=["127.0.0.1"]),
            keep_shown=keep_shown,
            backups=backups or backups_of_tests(),
            tracing=tracing,
        )
        app = await stack.enter_async_context(
            serve(
                parts,
                listen="127.0.0.1:0",
                terminal_listen="127.0.0.1:0",
                operator_listen="127.0.0.1:0",
            )
        )
        async with AsyncExitStack() as channels:
            made = World(
                app=app,
                store=store,
                clock=clock,
                institution_clock=institution_clock,
                institution=institution,
                keyring=keyring,
                numbers=numbers,
                authority=authority,
                stack=channels,
            )
            if not again:
                made.operator = await made.add_operator()
                await made.furnish()
            yield made
