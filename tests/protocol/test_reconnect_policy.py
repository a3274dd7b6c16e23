"""What follows each ending, and after how long: chance is an argument, so nothing here waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.errors import CertificateInvalid, ConnectFailed, DiscoveryFailed, TokenRefused, UpgradeRefused
from vox_gateway.opcodes import fatal_error
from vox_gateway.protocol.reconnect_policy import Cause, ConnectPlan, Disconnect, Fatal, ReconnectPolicy
from vox_gateway.protocol.state import State
from vox_gateway.session.state import Session

LOST = Disconnect(Cause.LOST)
UNREACHABLE = Disconnect(Cause.UNREACHABLE)
FATAL = (4004, 4010, 4011, 4012, 4013, 4014)
NEW_SESSION = (4003, 4005, 4007, 4009)


def always(value: float) -> Callable[[], float]:
    return lambda: value


class Chain:
    """A policy, and the session as its last decision left it."""

    def __init__(self, session: Session, chance: float) -> None:
        self.session = session
        self._policy = ReconnectPolicy(always(chance))
        self.connected = self._policy.connected

    def first(self) -> ConnectPlan:
        return self._policy.first(self.session)

    def after(self, ending: Disconnect, plan: ConnectPlan, reached: State, lived: float = 0.0) -> ConnectPlan | Fatal:
        outcome = self._policy.after(ending, plan, reached, self.session, lived)
        if isinstance(outcome, ConnectPlan):
            self.session = outcome.session
        return outcome


def living(chance: float = 0.0) -> Chain:
    return Chain(SESSION, chance)


def new(chance: float = 0.0) -> Chain:
    return Chain(Session(), chance)


SESSION = Session("abc", 7, "wss://resume")
REACHED = [State.CONNECTING, State.AWAITING_HELLO, State.IDENTIFYING, State.RESUMING, State.READY]
FIRST = ConnectPlan(Session(), at_resume_url=False, delay=0.0)
RESUME = ConnectPlan(SESSION, at_resume_url=True, delay=0.0)
RESUME_AT_BASE = ConnectPlan(SESSION, at_resume_url=False, delay=0.0)


def test_the_first_attempt_is_made_at_once_and_identifies() -> None:
    assert new(0.5).first() == FIRST


def test_a_session_that_was_kept_is_resumed_by_the_first_attempt() -> None:
    assert living().first() == RESUME


@pytest.mark.parametrize("code", FATAL)
def test_fatal_codes_end_it_with_their_error(code: int) -> None:
    outcome = living().after(Disconnect(Cause.CLOSED, code, "why"), FIRST, State.RESUMING)
    assert isinstance(outcome, Fatal)
    assert type(outcome.error) is type(fatal_error(code, ""))
    assert str(code) in str(outcome.error)
    assert "why" in str(outcome.error)


@pytest.mark.parametrize("code", NEW_SESSION)
def test_some_codes_begin_a_new_session_at_the_base_url(code: int) -> None:
    recovery = living(0.5)
    assert recovery.after(Disconnect(Cause.CLOSED, code), FIRST, State.READY) == ConnectPlan(Session(), False, 0.5)
    assert recovery.session == Session()


@pytest.mark.parametrize(
    "ending",
    [Disconnect(Cause.CLOSED, code) for code in (1000, 1001, 1006, 4000, 4001, 4002, 4008, 4900, None)]
    + [
        LOST,
        Disconnect(Cause.PROTOCOL_ERROR),
        Disconnect(Cause.RECONNECT),
        Disconnect(Cause.INVALID_SESSION, resumable=True),
    ],
)
def test_everything_else_is_resumed(ending: Disconnect) -> None:
    recovery = living(0.25)
    assert recovery.after(ending, FIRST, State.READY) == ConnectPlan(SESSION, True, 0.25)
    assert recovery.session.resumable


@pytest.mark.parametrize("cause", [Cause.INVALID_SESSION, Cause.IDENTIFY_REFUSED])
@pytest.mark.parametrize(("chance", "delay"), [(0.0, 1.0), (0.5, 3.0), (0.999, 4.996)])
def test_an_invalid_session_is_dropped_after_one_to_five_seconds(chance: float, delay: float, cause: Cause) -> None:
    recovery = living(chance)
    outcome = recovery.after(Disconnect(cause, resumable=False), RESUME, State.RESUMING)
    assert isinstance(outcome, ConnectPlan)
    assert outcome == ConnectPlan(Session(), False, pytest.approx(delay))
    assert recovery.session == Session()


@pytest.mark.parametrize("cause", [Cause.RECONNECT_REQUESTED, Cause.SYSTEM_SUSPENDED])
def test_what_we_ask_for_ourselves_is_not_waited_for(cause: Cause) -> None:
    recovery = living(0.9)
    assert recovery.after(Disconnect(cause), FIRST, State.READY) == ConnectPlan(SESSION, True, 0.0)
    assert recovery.after(LOST, FIRST, State.READY) == ConnectPlan(
        SESSION, True, 0.9
    )  # and does not count as a failure


def test_the_wait_grows_to_a_minute() -> None:
    for chance, part in ((0.0, 0.5), (0.5, 0.75), (1.0, 1.0)):
        recovery = living(chance)
        delays = [recovery.after(UNREACHABLE, RESUME_AT_BASE, State.CONNECTING) for _ in range(9)]
        expected = [chance] + [part * seconds for seconds in (1, 2, 4, 8, 16, 32, 60, 60)]
        assert [outcome.delay for outcome in delays if isinstance(outcome, ConnectPlan)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ending", "delay"),
    [
        (Disconnect(Cause.CLOSED, 4000), 10.0),
        (Disconnect(Cause.CLOSED, 1001), 10.0),
        (Disconnect(Cause.RECONNECT), 10.0),
        (Disconnect(Cause.INVALID_SESSION, resumable=True), 10.0),
        (Disconnect(Cause.INVALID_SESSION, resumable=False), 60.0),
        (Disconnect(Cause.CLOSED, 4009), 60.0),
        (Disconnect(Cause.CLOSED), 60.0),
        (LOST, 60.0),
        (UNREACHABLE, 60.0),
    ],
)
def test_after_an_outage_a_server_that_asks_for_a_resume_is_not_kept_waiting(ending: Disconnect, delay: float) -> None:
    recovery = living(1.0)
    follow(recovery, RESUME_AT_BASE, *[(UNREACHABLE, State.CONNECTING)] * 20)
    assert follow(recovery, RESUME_AT_BASE, (ending, State.READY)).delay == delay


def test_a_month_of_failures_is_no_overflow() -> None:
    recovery = living(1.0)
    for _ in range(5000):
        outcome = recovery.after(UNREACHABLE, RESUME_AT_BASE, State.CONNECTING)
    assert outcome == ConnectPlan(SESSION, True, 60.0)


@pytest.mark.parametrize(("lived", "delay"), [(59.9, 2.0), (60.0, 1.0)])
def test_failures_are_forgotten_after_a_minute_of_life(lived: float, delay: float) -> None:
    recovery = living(1.0)
    recovery.after(UNREACHABLE, RESUME, State.CONNECTING)
    recovery.after(UNREACHABLE, RESUME, State.CONNECTING)
    outcome = recovery.after(LOST, RESUME, State.READY, lived)
    assert isinstance(outcome, ConnectPlan)
    assert outcome.delay == delay


SICK_RESUME_URL = [
    (UNREACHABLE, State.CONNECTING),
    (Disconnect(Cause.UNREACHABLE, error=UpgradeRefused("no", 401)), State.CONNECTING),
    (Disconnect(Cause.UNREACHABLE, error=UpgradeRefused("no", 403)), State.CONNECTING),
    (Disconnect(Cause.UNREACHABLE, error=CertificateInvalid("no")), State.CONNECTING),
    (LOST, State.AWAITING_HELLO),
    (Disconnect(Cause.CLOSED, 1001), State.AWAITING_HELLO),
    (Disconnect(Cause.RECONNECT), State.AWAITING_HELLO),
    (LOST, State.RESUMING),
]


def follow(recovery: Chain, attempt: ConnectPlan, *endings: tuple[Disconnect, State]) -> ConnectPlan:
    """The attempt that follows a row of endings, each of the attempt that followed the one before."""
    for ending, reached in endings:
        following = recovery.after(ending, attempt, reached)
        assert isinstance(following, ConnectPlan)
        attempt = following
    return attempt


@pytest.mark.parametrize(("ending", "reached"), SICK_RESUME_URL)
def test_after_a_failure_at_the_resume_url_the_session_resumes_at_the_base_url(
    ending: Disconnect, reached: State
) -> None:
    recovery = living()
    following = follow(recovery, recovery.first(), (ending, reached))
    assert (following.resume, following.at_resume_url) == (True, False)
    again = follow(recovery, following, (UNREACHABLE, State.CONNECTING))
    assert (again.resume, again.at_resume_url) == (True, False)
    assert recovery.session.resumable


def test_the_resume_url_is_tried_again_once_the_session_went_on_elsewhere() -> None:
    recovery = living()
    elsewhere = follow(recovery, recovery.first(), (LOST, State.AWAITING_HELLO))
    assert follow(recovery, elsewhere, (LOST, State.READY)).at_resume_url


@pytest.mark.parametrize(
    "ending",
    [
        Disconnect(Cause.INVALID_SESSION, resumable=True),
        Disconnect(Cause.RECONNECT_REQUESTED),
        Disconnect(Cause.SYSTEM_SUSPENDED),
    ],
)
def test_an_ending_that_says_nothing_against_the_resume_url_is_followed_by_it(ending: Disconnect) -> None:
    recovery = living()
    assert follow(recovery, recovery.first(), (ending, State.RESUMING)).at_resume_url


@pytest.mark.parametrize(("ending", "reached"), SICK_RESUME_URL)
def test_a_failure_at_the_resume_url_counts_if_resume_was_written(ending: Disconnect, reached: State) -> None:
    recovery = living()
    following = follow(recovery, recovery.first(), (ending, reached), *[(LOST, State.RESUMING)] * 4)
    assert following.resume is (reached is not State.RESUMING)


def test_what_we_end_ourselves_is_no_failed_resume() -> None:
    recovery = living()
    follow(recovery, recovery.first(), *[(Disconnect(Cause.RECONNECT_REQUESTED), State.RESUMING)] * 9)
    assert recovery.session.resumable


def test_a_session_without_a_resume_url_is_resumed_at_the_base_url() -> None:
    assert Chain(Session("abc", 7), 0).first() == ConnectPlan(Session("abc", 7), False, 0.0)


def test_five_resumes_without_an_answer_drop_the_session() -> None:
    recovery = living()
    for _ in range(4):
        outcome = recovery.after(LOST, RESUME, State.RESUMING)
        assert isinstance(outcome, ConnectPlan)
        assert outcome.resume
    outcome = recovery.after(LOST, RESUME, State.RESUMING)
    assert isinstance(outcome, ConnectPlan)
    assert not outcome.resume
    assert recovery.session == Session()


@pytest.mark.parametrize("ending", [LOST, Disconnect(Cause.RECONNECT), Disconnect(Cause.PROTOCOL_ERROR)])
def test_a_resume_that_brings_an_event_has_not_failed(ending: Disconnect) -> None:
    recovery = living()
    following = follow(recovery, recovery.first(), *[(LOST, State.RESUMING)] * 4)
    for seq in (8, 9, 10, 11, 12, 13):
        recovery.session = SESSION.at(seq)
        following = follow(recovery, following, (ending, State.RESUMING))
        assert (following.session, following.at_resume_url) == (SESSION.at(seq), True)
    assert follow(recovery, following, *[(LOST, State.RESUMING)] * 4).resume, "the count has begun anew"


def test_an_event_that_cannot_be_decoded_costs_the_session_in_the_end() -> None:
    """At the first time and in five resumes, however their connections end."""
    policy = ReconnectPolicy(always(0.0))
    for _ in range(5):
        assert policy.after_undecodable(SESSION) == SESSION
        policy.after(LOST, RESUME, State.READY, SESSION.at(9))
    assert policy.after_undecodable(SESSION) == Session()


def test_set_backs_are_counted_for_each_event_that_cannot_be_decoded() -> None:
    policy = ReconnectPolicy(always(0.0))
    for seq in (7, 8, 9):
        assert [policy.after_undecodable(SESSION.at(seq)) for _ in range(5)] == [SESSION.at(seq)] * 5


def test_a_resume_that_is_answered_begins_the_count_anew() -> None:
    recovery = living()
    for _ in range(3):
        for _ in range(4):
            recovery.after(LOST, RESUME, State.RESUMING)
        outcome = recovery.after(LOST, RESUME, State.READY)
        assert isinstance(outcome, ConnectPlan)
        assert outcome.resume


BEFORE_HELLO = [
    *(
        (Disconnect(Cause.UNREACHABLE, error=error), State.CONNECTING)
        for error in (None, ConnectFailed("no"), UpgradeRefused("no", 503), CertificateInvalid("no"))
    ),
    (LOST, State.AWAITING_HELLO),
    (Disconnect(Cause.CLOSED, 1001), State.AWAITING_HELLO),
    (Disconnect(Cause.RECONNECT), State.AWAITING_HELLO),
    (Disconnect(Cause.PROTOCOL_ERROR), State.AWAITING_HELLO),
]


@pytest.mark.parametrize(("ending", "reached"), BEFORE_HELLO)
def test_an_outage_does_not_cost_the_session(ending: Disconnect, reached: State) -> None:
    """A RESUME that was never written cannot have failed."""
    recovery = living(1.0)
    recovery.connected()
    following = follow(recovery, recovery.first(), *[(ending, reached)] * 100)
    assert (following.session, following.at_resume_url) == (SESSION, False)
    assert following.delay >= 10, "but it counts for the wait"


def test_an_end_before_hello_leaves_the_count_of_failed_resumes() -> None:
    recovery = living()
    following = follow(recovery, recovery.first(), *[(LOST, State.RESUMING), (LOST, State.AWAITING_HELLO)] * 4)
    assert following.resume
    assert not follow(recovery, following, (LOST, State.RESUMING)).resume


@pytest.mark.parametrize("error", [UpgradeRefused("no", 401), UpgradeRefused("no", 403), CertificateInvalid("no")])
def test_a_refusal_at_the_resume_url_is_never_final_and_at_the_base_url_it_is(error: ConnectFailed) -> None:
    """A session kept on disk may name a host that is gone by the next start."""
    recovery = living()
    ending = Disconnect(Cause.UNREACHABLE, error=error)
    at_the_base = follow(recovery, recovery.first(), (ending, State.CONNECTING))
    assert recovery.after(ending, at_the_base, State.CONNECTING) == Fatal(error)


def test_identifies_that_fail_in_a_row_are_made_ever_rarer() -> None:
    recovery = new(1.0)
    delays = []
    for _ in range(12):
        outcome = recovery.after(LOST, FIRST, State.IDENTIFYING)
        assert isinstance(outcome, ConnectPlan)
        delays.append(outcome.delay)
    assert delays[-3:] == [600.0, 600.0, 600.0]
    assert delays == sorted(delays)


@pytest.mark.parametrize(("ending", "reached"), [*BEFORE_HELLO, (Disconnect(Cause.NOT_OURS), State.IDENTIFYING)])
def test_an_identify_that_was_not_written_has_not_failed(ending: Disconnect, reached: State) -> None:
    recovery = new(1.0)
    recovery.connected()
    following = follow(recovery, recovery.first(), *[(ending, reached)] * 12, (LOST, State.AWAITING_HELLO))
    assert following.delay <= 60.0


def test_ready_ends_the_row_of_failed_identifies() -> None:
    recovery = new(1.0)
    for _ in range(12):
        recovery.after(LOST, FIRST, State.IDENTIFYING)
    outcome = recovery.after(LOST, FIRST, State.READY, 60.0)
    assert isinstance(outcome, ConnectPlan)
    assert outcome.delay == 1.0


@pytest.mark.parametrize("error", [UpgradeRefused("no", 401), UpgradeRefused("no", 403), CertificateInvalid("no")])
def test_a_refusal_is_final_on_the_first_connection_only(error: ConnectFailed) -> None:
    recovery = new(0)
    ending = Disconnect(Cause.UNREACHABLE, error=error)
    assert recovery.after(ending, FIRST, State.CONNECTING) == Fatal(error)
    recovery.connected()
    assert isinstance(recovery.after(ending, FIRST, State.CONNECTING), ConnectPlan)


@pytest.mark.parametrize("error", [UpgradeRefused("no", 503), UpgradeRefused("no", 429), ConnectFailed("no")])
def test_other_failures_to_connect_are_retried(error: ConnectFailed) -> None:
    ending = Disconnect(Cause.UNREACHABLE, error=error)
    assert isinstance(new(0).after(ending, FIRST, State.CONNECTING), ConnectPlan)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (LOST, "the connection was lost"),
        (Disconnect(Cause.CLOSED, 4000), "the server closed the connection (4000)"),
        (Disconnect(Cause.CLOSED, 4000, "bye"), "the server closed the connection (4000: bye)"),
    ],
)
def test_an_ending_is_told_in_words(ending: Disconnect, words: str) -> None:
    assert str(ending) == words


endings = st.builds(
    Disconnect,
    st.sampled_from(list(Cause)),
    st.none() | st.sampled_from([1000, 1001, 1006, 3000, *range(4000, 4016)]),
    st.text(max_size=3),
    st.booleans(),
)
lives = st.lists(st.tuples(endings, st.sampled_from(REACHED), st.floats(0, 1e6), st.booleans()), max_size=30)


@given(lives, st.floats(0, 1, exclude_max=True))
def test_any_order_of_endings_leaves_a_legal_state(
    story: list[tuple[Disconnect, State, float, bool]], chance: float
) -> None:
    recovery = new(chance)
    attempt = recovery.first()
    for ending, reached, lived, ready in story:
        if reached is State.READY and ready:
            recovery.session = Session("abc", 1, "wss://resume")
        outcome = recovery.after(ending, attempt, reached, lived)
        if isinstance(outcome, Fatal):
            assert ending.code in FATAL
            return
        assert ending.code not in FATAL
        assert 0 <= outcome.delay <= 600
        assert outcome.resume == recovery.session.resumable
        assert outcome.resume or not outcome.at_resume_url
        attempt = outcome


def test_a_token_that_the_api_refuses_ends_it_even_after_a_success() -> None:
    recovery = living()
    recovery.connected()
    error = TokenRefused("discord.com")
    assert recovery.after(Disconnect(Cause.LOST, error=error), FIRST, State.CONNECTING) == Fatal(error)


@pytest.mark.parametrize(
    "error", [ConnectFailed("no session starts", 300.0), DiscoveryFailed("too many", 429, retry_after=300.0)]
)
def test_what_says_when_to_come_again_is_waited_for(error: ConnectFailed) -> None:
    following = living(0.5).after(Disconnect(Cause.UNREACHABLE, error=error), FIRST, State.CONNECTING)
    assert isinstance(following, ConnectPlan)
    assert following.delay == 300.0
