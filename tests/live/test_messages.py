"""What goes over the wire, and what may replace what."""

from __future__ import annotations

from cmlmanager.live.messages import Message, encode_event, stream_error


def test_the_wire_format_of_the_library_is_the_one_that_the_pages_were_tested_with() -> None:
    assert encode_event("row.1", "<tr>\n<td>a</td>\r\n</tr>") == b"event: row.1\ndata: <tr>\ndata: <td>a</td>\ndata: </tr>\n\n"


def test_an_event_without_data_still_has_a_data_line_because_browsers_drop_events_without_one() -> None:
    assert encode_event("fleet.changed", "") == b"event: fleet.changed\ndata: \n\n"


def test_line_ends_in_a_type_cannot_begin_another_field() -> None:
    assert encode_event("a\ndata: forged\r\n", "b") == b"event: adata: forged\ndata: b\n\n"


def test_text_that_is_not_unicode_is_sent_rather_than_lost() -> None:
    assert encode_event("row.1", "lab \ud800") == b"event: row.1\ndata: lab ?\n\n"


def test_the_error_event_has_the_librarys_name_and_json_for_the_script() -> None:
    assert stream_error("forbidden", "No.") == b'event: stream-error\ndata: {"condition": "forbidden", "text": "No."}\n\n'


def test_a_message_survives_the_redis_stream() -> None:
    message = Message(channel="row.1", type="row.1", data="<tr>é\n</tr>")
    assert Message.from_fields({k.encode(): v.encode() for k, v in message.fields().items()}) == message


def test_fragments_of_one_place_replace_each_other_and_facts_about_different_things_do_not() -> None:
    def key(data: str, channel: str = "fleet") -> tuple[str, ...]:
        return Message(channel=channel, type="x", data=data).key

    assert key("<b>1</b>") == key("\n <b>2</b>")
    assert key('{"region": "us-east-1"}') != key('{"region": "us-west-2"}')
    assert key('{"at": 1}', "live") == key('{"at": 2}', "live")
