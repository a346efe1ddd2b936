"""Every kind of bad input: told exactly what is wrong, and nobody else notices."""

from __future__ import annotations

import numpy as np
import pytest

from service.core.errors import REASONS, Reason
from soloist import Client, SoloistError
from tests.integration import (
    test_access,
    test_admission,
    test_busy,
    test_compare,
    test_drain,
    test_eviction,
    test_feedback,
    test_health,
    test_httpunk,
    test_inflight_bytes,
    test_labels_of_clients,
    test_long_runs,
    test_names,
    test_norm_skew,
    test_oip_sequences,
    test_operators_address,
    test_repository_reload,
    test_rest_bodies,
    test_resume,
    test_resume_rights,
    test_rollouts,
    test_sequence_store_faults,
    test_silence,
    test_third_party,
    test_without_time_axis,
)
from tests.integration.asking import Asker, ones
from tests.integration.cases import comparisons, frames, labels, limits, models, open_inference, order
from tests.integration.cases.case import Case
from tests.servers import RunningServer, eventually
from tests.unit.service import test_resume_token, test_sessions
from tests.unit.service.feedback import test_label_reports
from tests.unit.service.httpunk import test_framing, test_headers
from tests.unit.service.oip import (
    test_stored_races,
    test_stored_refusals,
    test_stored_repeats,
    test_stored_sequences,
)

CASES = [
    *(*frames.CASES, *order.CASES, *models.CASES, *limits.CASES, *comparisons.CASES, *open_inference.CASES),
    *labels.CASES,
]
# The cases are those of the handlers; one of each reason shows that a status is the same on the other transport.
ON_GRPC = [("grpc", case) for case in CASES]
ON_HTTPUNK = [("httpunk", case) for case in {case.reason: case for case in CASES}.values()]
# These need a server that is busy, silent or going away.
PROVOKED_ELSEWHERE = {
    Reason.MODEL_LOADING: test_busy.test_a_model_that_is_still_being_loaded,
    Reason.OVERLOADED: test_busy.test_what_cannot_be_answered_in_time_is_told_so_at_once,
    Reason.RUN_TOO_LONG: test_long_runs.test_a_run_that_takes_too_long_is_ended_and_told,
    Reason.QUEUE_FULL: test_busy.test_a_full_queue_refuses_at_once,
    Reason.DEADLINE_EXCEEDED: test_busy.test_a_deadline_that_passes_in_the_queue,
    Reason.INTERNAL: test_busy.test_a_run_that_fails_tells_nothing_of_the_inside,
    Reason.TOO_MANY_COMPARISONS: test_compare.test_an_operator_may_refuse_them_all,
    Reason.SEQUENCE_EVICTED: test_oip_sequences.test_an_idle_sequence_is_ended_and_a_late_request_is_told_why,
    Reason.SEQUENCE_STORE_UNAVAILABLE: test_sequence_store_faults.test_a_store_that_dies_and_comes_back_loses_nothing,
    Reason.SEQUENCE_CONFLICT: test_stored_races.test_of_two_servers_with_the_same_step_one_wins,
    Reason.SEQUENCE_REQUEST_CONFLICT: test_stored_repeats.test_the_same_id_with_other_contents_is_refused,
    Reason.SEQUENCE_STATE_TOO_LARGE: test_stored_sequences.test_a_sequence_that_is_too_large_stays_as_it_was,
    Reason.SEQUENCE_STATE_INVALID: test_stored_refusals.test_a_value_of_another_sequence_is_refused,
    Reason.SEQUENCE_STATE_FOREIGN: test_stored_refusals.test_another_file_of_the_version_is_refused,
    Reason.SEQUENCE_KEY_UNKNOWN: test_stored_refusals.test_servers_with_other_keys_or_none_refuse,
    Reason.SEQUENCE_MACHINE_DIFFERS: test_stored_refusals.test_a_machine_of_another_kind_refuses,
    Reason.SESSION_EVICTED: test_eviction.test_the_stream_idle_longest_makes_room_and_is_told,
    Reason.SESSION_IDLE: test_silence.test_a_silent_stream_is_ended,
    Reason.TIME_AXIS_UNKNOWN: test_without_time_axis.test_our_own_calls_say_that_they_have_to_know_time,
    Reason.MODEL_NOT_LOADED: test_repository_reload.test_a_model_is_unloaded_and_loaded_by_the_protocol,
    Reason.LABELS_NOT_WRITTEN: test_rollouts.test_labels_that_cannot_be_written_are_refused,
    Reason.GRAPH_REFUSED: test_third_party.test_frames_that_a_graph_refuses,
    Reason.FRAME_COUNT_MISMATCH: test_third_party.test_frames_that_fill_no_run,
    Reason.INPUT_NON_FINITE: test_third_party.test_inputs_that_are_none,
    Reason.INPUT_CONSTANT: test_third_party.test_what_is_constant_may_be_sent_if_it_is_that,
    Reason.COMPARISON_UNSUPPORTED: test_third_party.test_what_cannot_be_compared_is_refused,
    Reason.SAMPLE_NOT_KEPT: test_norm_skew.test_nothing_is_kept_unless_the_operator_says_so,
    Reason.FEEDBACK_OFF: test_feedback.test_a_server_without_a_log_refuses,
    Reason.FEEDBACK_BUSY: test_label_reports.test_calls_that_wait_for_the_disk_are_bounded,
    Reason.TOO_MANY_PENDING_LABELS: test_label_reports.test_labels_that_wait_for_answers_are_bounded,
    Reason.LOG_UNAVAILABLE: test_label_reports.test_a_file_that_fails_is_told_and_nothing_is_taken,
    Reason.TOO_MANY_CALLS: test_admission.test_calls_at_once_are_bounded_and_machines_have_places_of_their_own,
    Reason.METADATA_TOO_LARGE: test_httpunk.test_large_metadata_is_refused_and_never_cut,
    Reason.METADATA_INVALID: test_headers.test_headers_that_cannot_be_read_are_named,
    Reason.COMPRESSION_UNSUPPORTED: test_framing.test_other_encodings_are_refused,
    Reason.MEMORY_FULL: test_inflight_bytes.test_a_message_beyond_the_budget_is_refused_at_once,
    Reason.MESSAGE_MISSING: test_admission.test_a_call_that_ends_without_its_message_is_told,
    Reason.NAME_TOO_LONG: test_names.test_a_name_that_is_too_long_is_refused,
    Reason.TOO_MANY_FIELDS: test_names.test_what_would_take_long_to_parse_is_not_parsed,
    Reason.SERVICE_UNKNOWN: test_health.test_check_knows_no_others,
    Reason.JSON_INVALID: test_rest_bodies.test_a_malformed_body_is_told_what_is_wrong,
    Reason.BODY_SIZE_MISMATCH: test_rest_bodies.test_binary_data_of_a_wrong_size_is_refused,
    Reason.TOKEN_MISSING: test_access.test_a_call_without_a_token_is_refused,
    Reason.TOKEN_INVALID: test_access.test_a_token_that_is_no_token_is_refused,
    Reason.TOKEN_EXPIRED: test_access.test_a_token_that_is_no_token_is_refused,
    Reason.ROLE_MISSING: test_access.test_a_call_needs_a_role_of_its_method,
    Reason.METHOD_OFF: test_operators_address.test_what_operators_do_is_on_at_their_address_only,
    Reason.LABEL_FORBIDDEN: test_labels_of_clients.test_a_label_of_a_stranger_spoils_nothing_whichever_process_gets_it,
    Reason.CLIENT_LIMIT: test_sessions.test_one_client_has_a_part_of_the_sessions,
    Reason.RESUME_UNSUPPORTED: test_resume.test_without_keys_there_are_no_tokens,
    Reason.RESUME_TOKEN_INVALID: test_resume.test_tokens_that_are_not_ours_are_refused_and_counted,
    Reason.RESUME_TOKEN_FOREIGN: test_resume.test_tokens_that_are_not_ours_are_refused_and_counted,
    Reason.RESUME_KEY_UNKNOWN: test_resume.test_tokens_that_are_not_ours_are_refused_and_counted,
    Reason.STREAM_TOO_OLD: test_resume.test_an_old_stream_ends_with_its_token,
    Reason.RESUME_TOKEN_EXPIRED: test_resume_token.test_a_token_expires,
    Reason.RESUME_CLIENT_DIFFERS: test_resume_rights.test_a_token_continues_for_the_client_that_got_it_and_for_no_other,
    Reason.RESUME_MACHINE_DIFFERS: test_resume_token.test_a_machine_with_other_bits_refuses_it,
    Reason.RESUME_STATE_TOO_LARGE: test_resume_token.test_a_version_with_too_much_state_gets_no_tokens,
    Reason.ANSWER_NOT_CARRIED: test_resume_token.test_a_long_answer_is_not_carried_and_a_repeat_of_its_chunk_says_so,
    Reason.SERVER_DRAINING: test_drain.test_streams_under_way_finish_and_new_calls_are_refused,
}


def _name(value: Case | str) -> str:
    return value if isinstance(value, str) else value.name


def test_every_reason_is_provoked() -> None:
    provoked = {case.reason for case in CASES} | set(PROVOKED_ELSEWHERE)
    assert [reason.name for reason in REASONS.values() if reason not in provoked] == []


@pytest.mark.parametrize(("strict", "case"), ON_GRPC + ON_HTTPUNK, indirect=["strict"], ids=_name)
def test_bad_input_is_told_what_is_wrong_and_disturbs_nobody(strict: RunningServer, asker: Asker, case: Case) -> None:
    chunks = np.random.default_rng(7).normal(size=(2, 5, 2)).astype(np.float32)
    with Client(strict.grpc) as client:
        with client.stream("sums", every_frame=True) as alone:
            undisturbed = [alone.send(chunk).outputs for chunk in chunks]
        with client.stream("sums", every_frame=True) as neighbour:
            disturbed = [neighbour.send(chunks[0]).outputs]
            with pytest.raises(SoloistError) as caught:
                case.ask(asker)
            assert eventually(lambda: strict.total("soloist_sessions_open") == 1)
            disturbed.append(neighbour.send(chunks[1]).outputs)
    assert [outputs.tobytes() for outputs in disturbed] == [outputs.tobytes() for outputs in undisturbed]
    _assert_reported(caught.value, case)
    assert asker.predict(ones(3)).frame_count == 3
    assert eventually(lambda: strict.total("soloist_sessions_open") == 0)
    assert strict.total("soloist_session_state_bytes") == 0


def _assert_reported(error: SoloistError, case: Case) -> None:
    assert (error.code.name, error.reason) == (case.code, case.reason.name)
    assert case.reason.hint.format(**error.facts) in error.message
    assert "?" not in error.message  # stands for a fact that is missing
    assert "secret" not in error.message  # the folder of the repository
    for name, value in case.facts.items():
        assert error.facts[name] == value
