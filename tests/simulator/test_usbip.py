"""The simulator as USB devices: USB/IP, descriptors, PTP over USB, plugging, and the faults of USB."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pytest

from simulator.client import Control, ControlError
from simulator.datasets import read_string, string
from simulator.mutation import WAYS
from simulator.process import SimulatorProcess
from tests.simulator.rig import Simulator, running_simulator
from tests.support.usbip_client import (
    BULK_IN,
    BULK_OUT,
    GET_DEVICE_INFO,
    GET_OBJECT,
    INTERRUPT,
    OK,
    OPEN_SESSION,
    STALLED,
    WITHDRAWN,
    Host,
    Listed,
    UsbError,
    connect,
    devices,
    receive,
)

pytestmark = pytest.mark.timeout(60)

SMALL = ("--usbip", "0", "--still", "160x112", "--frame", "160x112", "--shutter", "0.02", "--fps", "200")
CLOSE_SESSION, GET_HANDLES, GET_PARTIAL, GET_VALUE, SET_VALUE = 0x1003, 0x1007, 0x101B, 0x1015, 0x1016
SESSION_NOT_OPEN, SESSION_ALREADY_OPEN, DEVICE_BUSY = 0x2003, 0x201E, 0x2019
INITIATOR = 0xD406
CANCEL = struct.pack("<HI", 0x4001, 1)


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """Two cameras on USB."""
    with running_simulator("--cameras", "2", *SMALL) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared: Simulator) -> Simulator:
    """The cameras, plugged into their own ports and in factory state."""
    for camera in (0, 1):
        shared.control.unplug(camera)
        shared.control.reset(camera)
    for camera in (0, 1):
        shared.control.plug(camera, busid=f"1-{camera + 1}", serial=f"SIM000000{camera + 1}")
    return shared


@pytest.fixture
def control(simulator: Simulator) -> Control:
    """The control port."""
    return simulator.control


@pytest.fixture
def usbip(simulator: Simulator) -> str:
    """The address of the USB/IP server."""
    return str(simulator.ready["usbip"])


@pytest.fixture
def host(usbip: str) -> Iterator[Host]:
    """A host that has attached the first camera and opened a session."""
    with Host(usbip) as host:
        host.control(0x00, 9, 1)
        assert host.run(OPEN_SESSION, 1).code == OK
        yield host


@pytest.fixture
def picture(control: Control, host: Host) -> int:
    """The handle of a picture that is larger than two packets."""
    control.shutter()
    data = host.run(GET_HANDLES, 0xFFFFFFFF, 0x3801).data
    (count,) = struct.unpack_from("<I", data)
    assert count == 1
    assert control.state()["files"][0]["size"] > 2048
    return int(struct.unpack_from("<I", data, 4)[0])


def works(host: Host) -> bool:
    """Whether an operation of the open session works."""
    return host.run(GET_VALUE, INITIATOR).code == OK


def status(call: Callable[..., object], *arguments: object) -> int:
    """The status of a call that must fail."""
    with pytest.raises(UsbError) as caught:
        call(*arguments)
    return caught.value.status


def own_serial(host: Host) -> str:
    """The last string of the device info, which is the serial number of the body."""
    data = host.run(GET_DEVICE_INFO).data
    text = string("SIM0000001")
    return read_string(data[-len(text) :])


# USB/IP


def test_the_list_has_the_plugged_cameras(usbip: str, control: Control) -> None:
    listed = devices(usbip)
    numbers = [control.state(camera)["usb"]["device"] for camera in (0, 1)]
    assert listed == [Listed(f"1-{n}", 1, number, 3, 0x04A9, 0x31EA, 1) for n, number in enumerate(numbers, 1)]
    control.unplug()
    assert devices(usbip) == listed[1:]


def test_an_import_returns_the_device_of_the_list(usbip: str) -> None:
    with Host(usbip, "1-2") as host:
        assert host.device == devices(usbip)[1]


def test_only_one_host_can_import_a_camera(usbip: str, host: Host, control: Control) -> None:
    assert control.state()["connected"] == 1
    assert status(Host, usbip) == 2
    with Host(usbip, "1-2"):
        assert works(host)
    assert status(Host, usbip, "1-9") == 4


def test_a_host_that_leaves_ends_its_session(usbip: str, host: Host, control: Control) -> None:
    host.submit(INTERRUPT, 64)
    host.connection.close()
    while control.state()["connected"]:
        pass
    with Host(usbip) as other:
        assert other.run(GET_HANDLES).code == SESSION_NOT_OPEN


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">HHI32s", 0x0111, 0x8003, 0, b"1-1") + struct.pack(">I44x", 9),
        struct.pack(">HHI32s", 0x0111, 0x8003, 0, b"1-1") + struct.pack(">7I20x", 1, 1, 0, 1, 1, 0, 1 << 31),
    ],
)
def test_a_packet_that_is_not_valid_ends_only_its_connection(usbip: str, control: Control, request_: bytes) -> None:
    with connect(usbip) as connection:
        connection.sendall(request_)
        if request_[2:4] == b"\x80\x03":
            receive(connection, 320)
        assert connection.recv(1) == b""
    while control.state()["connected"]:
        pass
    with Host(usbip) as host:
        assert host.run(OPEN_SESSION, 1).code == OK


def test_a_transfer_that_waits_can_be_withdrawn(host: Host, control: Control) -> None:
    number = host.submit(INTERRUPT, 64)
    assert host.unlink(number) == WITHDRAWN
    assert host.unlink(number) == 0
    following = host.submit(INTERRUPT, 64)
    host.run(0x9115, 1)
    assert host.ended(following)[0] == 0


# Descriptors and control requests


def test_the_descriptors_are_those_of_a_ptp_camera(host: Host) -> None:
    device = host.control(0x80, 6, 0x0100, 0, 255)
    assert (len(device), struct.unpack_from("<HH", device, 8)) == (18, (0x04A9, 0x31EA))
    configuration = host.control(0x80, 6, 0x0200, 0, 255)
    assert int.from_bytes(configuration[2:4], "little") == len(configuration)
    assert configuration[9:18] == bytes([9, 4, 0, 0, 3, 6, 1, 1, 0])
    endpoints = [struct.unpack_from("<BBBBH", configuration, 18 + 7 * index)[2:] for index in range(3)]
    assert endpoints == [(BULK_IN, 2, 512), (BULK_OUT, 2, 512), (INTERRUPT, 3, 64)]
    assert host.control(0x80, 6, 0x0200, 0, 9) == configuration[:9]
    assert [host.string(index) for index in device[14:17]] == ["Canon Inc.", "Canon Digital Camera", "SIM0000001"]


def test_an_unknown_request_is_rejected_and_the_next_one_is_answered(host: Host) -> None:
    assert status(host.control, 0x80, 6, 0x0F00, 0, 5) == STALLED
    assert host.control(0x80, 8, length=1) == b"\1"
    assert host.control(0x81, 10, length=1) == b"\0"


def test_the_nikon_has_its_own_identity_and_sends_its_own_events() -> None:
    with running_simulator("--maker", "nikon", *SMALL) as simulator:
        usbip = simulator.ready["usbip"]
        (listed,) = devices(usbip)
        assert (listed.vendor, listed.product) == (0x04B0, 0x0430)
        with Host(usbip) as host:
            host.run(OPEN_SESSION, 1)
            number = host.submit(INTERRUPT, 64)
            simulator.control.shutter()
            state, event = host.ended(number)
            length, kind, code, _, handle = struct.unpack("<IHHII", event)
            assert (state, length, kind, code) == (0, 16, 4, 0x4002)
            extended = host.control(0xA1, 0x65, length=64)
            assert struct.unpack_from("<HIH", extended)[::2] == (0x4006, 1)
            assert host.run(GET_OBJECT, handle).data.startswith(b"\xff\xd8")


# PTP over USB


def test_a_session_is_opened_once(host: Host) -> None:
    assert host.run(OPEN_SESSION, 1).code == SESSION_ALREADY_OPEN
    assert host.run(CLOSE_SESSION).code == OK
    assert host.run(GET_HANDLES).code == SESSION_NOT_OPEN
    assert own_serial(host) == "SIM0000001"
    assert host.run(OPEN_SESSION, 1).code == OK


@pytest.mark.parametrize("packets", [1, 4])
def test_a_full_last_packet_is_followed_by_one_without_data(host: Host, picture: int, packets: int) -> None:
    size = 512 * packets
    host.send(GET_PARTIAL, picture, 0, size - 12)
    assert [len(host.transfer(BULK_IN, 512)) for _ in range(packets + 1)] == [512] * packets + [0]
    assert len(host.transfer(BULK_IN, 512)) == 16
    host.send(GET_PARTIAL, picture, 0, size - 12)
    assert len(host.transfer(BULK_IN, size + 512)) == size
    assert len(host.transfer(BULK_IN, 512)) == 16
    host.send(GET_PARTIAL, picture, 0, size - 13)
    assert [len(host.transfer(BULK_IN, 512)) for _ in range(packets)] == [512] * (packets - 1) + [511]
    assert len(host.transfer(BULK_IN, 512)) == 16


def test_a_packet_that_does_not_fit_into_the_buffer_is_an_error(host: Host, picture: int) -> None:
    host.send(GET_PARTIAL, picture, 0, 1000)
    assert status(host.transfer, BULK_IN, 100) == -75
    assert len(host.transfer(BULK_IN, 512)) == 500


def test_a_picture_is_read_in_pieces(host: Host, picture: int, control: Control) -> None:
    whole = host.run(GET_OBJECT, picture).data
    assert len(whole) == control.state()["files"][0]["size"]
    host.send(GET_OBJECT, picture)
    data = b""
    while len(data) < 12 + len(whole):
        data += host.transfer(BULK_IN, 1024)
    assert data[12:] == whole
    assert host.answer().code == OK


@pytest.mark.parametrize("size", [40, 500, 1012, 1100])
def test_data_of_the_host_may_fill_its_last_packet(host: Host, size: int) -> None:
    data = string("a host").ljust(size, b"\0")
    assert host.run(SET_VALUE, INITIATOR, data=data).code == OK
    assert read_string(host.run(GET_VALUE, INITIATOR).data) == "a host"


def test_data_of_the_host_may_be_split_after_its_header(host: Host) -> None:
    host.send(SET_VALUE, INITIATOR)
    data = string("split")
    host.transfer(BULK_OUT, data=struct.pack("<IHHI", 12 + len(data), 2, SET_VALUE, 2))
    host.transfer(BULK_OUT, data=data)
    assert host.answer().code == OK
    assert read_string(host.run(GET_VALUE, INITIATOR).data) == "split"


def test_data_of_the_host_ends_early_with_a_packet_without_data(host: Host) -> None:
    host.send(SET_VALUE, INITIATOR)
    part = string("early").ljust(500, b"\0")
    host.transfer(BULK_OUT, data=struct.pack("<IHHI", 12 + 1012, 2, SET_VALUE, 2) + part)
    host.transfer(BULK_OUT)
    assert host.answer().code == OK
    assert read_string(host.run(GET_VALUE, INITIATOR).data) == "early"


def test_the_own_button_sends_one_event_until_the_host_reads(host: Host, control: Control) -> None:
    host.run(0x9115, 1)
    host.transfer(INTERRUPT, 64)
    host.run(0x9116)
    number = host.submit(INTERRUPT, 24)
    control.shutter()
    assert host.ended(number) == (0, struct.pack("<IHHI", 12, 4, 0xC101, 0xFFFFFFFF))
    following = host.submit(INTERRUPT, 24)
    control.shutter()
    assert b"IMG_0002.JPG" in host.run(0x9116).data
    assert host.unlink(following) == WITHDRAWN


def test_an_invalid_container_halts_the_bulk_endpoints(host: Host) -> None:
    assert status(host.transfer, BULK_OUT, 0, b"no container at all") == STALLED
    assert status(host.transfer, BULK_IN, 512) == STALLED
    for endpoint in (BULK_IN, BULK_OUT):
        host.clear_halt(endpoint)
    assert works(host)


def test_a_cancelled_operation_sends_nothing_more(host: Host, control: Control) -> None:
    control.fault("late", seconds=3600)
    host.send(GET_DEVICE_INFO)
    while host.sent_everything():
        pass
    host.transfer(0, data=CANCEL, setup=struct.pack("<BBHHH", 0x21, 0x64, 0, 0, len(CANCEL)))
    assert host.sent_everything()
    assert works(host)


@pytest.mark.parametrize("request_", [(0x00, 9, 1), (0x21, 0x66)])
def test_a_reset_ends_session_live_view_and_halts(host: Host, control: Control, request_: tuple[int, ...]) -> None:
    before = control.state()["usb"]["resets"]
    host.control(0x02, 3, 0, BULK_IN)
    assert status(host.transfer, BULK_IN, 512) == STALLED
    host.control(*request_)
    assert host.run(GET_HANDLES).code == SESSION_NOT_OPEN
    assert control.state()["usb"]["resets"] == before + 1
    control.reset()
    assert control.state()["usb"]["resets"] == 0


def test_the_choice_of_the_interface_ends_halts(host: Host) -> None:
    host.control(0x02, 3, 0, INTERRUPT)
    assert status(host.transfer, INTERRUPT, 64) == STALLED
    host.control(0x01, 11)
    assert host.unlink(host.submit(INTERRUPT, 64)) == WITHDRAWN
    assert works(host)


# Plugging


def test_an_unplugged_camera_closes_the_connection_and_comes_back_with_a_new_number(
    usbip: str, host: Host, control: Control
) -> None:
    before = host.device.number
    number = host.submit(INTERRUPT, 64)
    control.unplug()
    with pytest.raises(ConnectionError):
        host.ended(number)
    state = control.state()
    assert (state["power"], state["connected"], state["usb"]["device"]) == (False, 0, 0)
    assert status(Host, usbip) == 4
    address = control.plug()
    with Host(usbip) as again:
        assert again.device.number not in (0, before)
        assert address == f"usb:001,{again.device.number:03d}"
        assert again.run(OPEN_SESSION, 1).code == OK
    with pytest.raises(ControlError, match="the camera is plugged; allowed after `unplug`"):
        control.plug()


def test_it_can_be_plugged_again_at_once_and_often(usbip: str, control: Control) -> None:
    for _ in range(140):
        with Host(usbip) as host:
            control.unplug()
            control.plug()
            listed = devices(usbip)
            assert listed[0].number not in (host.device.number, listed[1].number)
            assert 1 < listed[0].number < 128
    with Host(usbip) as host:
        assert host.run(OPEN_SESSION, 1).code == OK


def test_another_body_can_be_plugged_into_the_same_port(usbip: str, control: Control) -> None:
    with pytest.raises(ControlError, match="the camera is plugged"):
        control.plug(1, busid="1-1")
    control.unplug(1)
    with pytest.raises(ControlError, match="busid cannot be '1-1'; allowed: 1-2"):
        control.plug(1, busid="1-1")
    control.unplug()
    control.plug(1, busid="1-1")
    with Host(usbip) as host:
        assert own_serial(host) == "SIM0000002"
    control.power(True)
    assert [listed.busid for listed in devices(usbip)] == ["1-2", "1-1"]


def test_a_body_can_get_another_usb_serial_number(usbip: str, control: Control) -> None:
    for serial in ("123", ""):
        control.unplug()
        control.plug(serial=serial)
        with Host(usbip) as host:
            assert host.string(host.control(0x80, 6, 0x0100, 0, 18)[16]) == serial
            assert own_serial(host) == "SIM0000001"


@pytest.mark.parametrize(("option", "serials"), [("none", ["", ""]), ("same", ["000000000000"] * 2)])
def test_bodies_may_have_no_usb_serial_number_or_the_same(option: str, serials: list[str]) -> None:
    with SimulatorProcess("--cameras", "2", "--usb-serial", option, *SMALL) as simulator:
        assert simulator.usbip is not None
        found = []
        for camera in simulator.cameras:
            assert camera.busid is not None
            with Host(simulator.usbip, camera.busid) as host:
                found.append(host.string(host.control(0x80, 6, 0x0100, 0, 18)[16]))
                assert own_serial(host) == camera.serial
        assert found == serials


# Faults


@pytest.mark.parametrize("endpoint", ["bulk_in", "bulk_out", "interrupt", "control"])
def test_an_endpoint_without_answer_answers_after_the_fault(host: Host, control: Control, endpoint: str) -> None:
    def submit() -> int:
        if endpoint == "control":
            return host.submit(0x80, 2, setup=struct.pack("<BBHHH", 0x80, 0, 0, 0, 2))
        if endpoint == "bulk_out":
            return host.submit(BULK_OUT, data=struct.pack("<IHHI", 12, 1, GET_DEVICE_INFO, 1))
        return host.submit({"bulk_in": BULK_IN, "interrupt": INTERRUPT}[endpoint], 512)

    control.fault("no_answer", endpoint=endpoint, times=2)
    if endpoint == "bulk_in":
        host.send(GET_DEVICE_INFO)
        while not host.sent_everything():
            pass
    elif endpoint == "interrupt":
        host.run(0x9115, 1)
    first = submit()
    assert host.unlink(first) == WITHDRAWN
    second = submit()
    while control.state()["faults"]:
        pass
    control.clear()
    assert host.ended(second)[0] == 0


def test_a_fault_occurs_at_a_transfer_that_waits_already(host: Host, control: Control) -> None:
    waiting = host.submit(INTERRUPT, 64)
    host.control(0x80, 8, length=1)
    control.fault("halt", endpoint="interrupt")
    assert host.ended(waiting)[0] == STALLED
    assert control.state()["faults"] == []
    assert works(host)


@pytest.mark.parametrize(("name", "address"), [("bulk_in", BULK_IN), ("bulk_out", BULK_OUT), ("interrupt", INTERRUPT)])
def test_a_halted_endpoint_is_halted_until_it_is_cleared(host: Host, control: Control, name: str, address: int) -> None:
    before = control.state()["usb"]["clear_halts"]
    control.fault("halt", endpoint=name)
    for _ in range(2):
        assert status(host.transfer, address, 512) == STALLED
    assert host.control(0x82, 0, 0, address, 2) == b"\1\0"
    assert host.control(0xA1, 0x67, length=20) == struct.pack("<HHI", 8, OK, address)
    host.clear_halt(address)
    assert host.control(0x82, 0, 0, address, 2) == b"\0\0"
    assert works(host)
    assert control.state()["usb"]["clear_halts"] == before + 1


def test_a_halted_control_endpoint_answers_the_next_request(host: Host, control: Control) -> None:
    control.fault("halt", endpoint="control")
    assert status(host.control, 0x80, 8, 0, 0, 1) == STALLED
    assert host.control(0x80, 8, length=1) == b"\1"


def test_an_endpoint_fault_can_be_limited_to_an_operation(host: Host, control: Control, picture: int) -> None:
    control.fault("halt", "GetObject", endpoint="bulk_in", after=1)
    assert works(host)
    host.send(GET_OBJECT, picture)
    assert len(host.transfer(BULK_IN, 512)) == 512
    assert status(host.transfer, BULK_IN, 512) == STALLED
    host.clear_halt(BULK_IN)
    assert works(host)


def half_of(host: Host, picture: int, size: int) -> list[bytes]:
    """Start to read a picture, and read half of it in packets."""
    host.send(GET_OBJECT, picture)
    return [host.transfer(BULK_IN, 512) for _ in range((12 + size) // 2 // 512)]


def test_half_a_transfer_and_then_silence_until_a_reset(host: Host, control: Control, picture: int) -> None:
    size = control.state()["files"][0]["size"]
    control.fault("stall_mid_data", "GetObject")
    assert all(len(packet) == 512 for packet in half_of(host, picture, size))
    assert host.unlink(host.submit(BULK_IN, 512)) == WITHDRAWN
    host.send(GET_DEVICE_INFO)
    assert not host.sent_everything()
    host.control(0x21, 0x66)
    assert host.run(OPEN_SESSION, 1).code == OK


def test_half_a_transfer_and_then_a_halt(host: Host, control: Control, picture: int) -> None:
    control.fault("halt_mid_data", "GetObject")
    host.send(GET_OBJECT, picture)
    state, received = host.ended(host.submit(BULK_IN, 1 << 20))
    assert (state, len(received) % 512, len(received) > 0) == (STALLED, 0, True)
    host.clear_halt(BULK_IN)
    assert works(host)


def test_half_a_transfer_and_then_the_camera_is_unplugged(
    usbip: str, host: Host, control: Control, picture: int
) -> None:
    size = control.state()["files"][0]["size"]
    control.fault("drop_mid_data", "GetObject")
    assert all(len(packet) == 512 for packet in half_of(host, picture, size))
    with pytest.raises(ConnectionError):
        host.transfer(BULK_IN, 512)
    assert [listed.busid for listed in devices(usbip)] == ["1-2"]
    control.power(True)
    with Host(usbip) as again:
        assert again.run(OPEN_SESSION, 1).code == OK


def test_the_faults_of_operations_are_the_same_as_over_ptp_ip(usbip: str, host: Host, control: Control) -> None:
    control.fault("code", "GetDeviceInfo", code="0x2019")
    assert host.run(GET_DEVICE_INFO).code == DEVICE_BUSY
    control.fault("garbage", "GetDeviceInfo")
    host.send(GET_DEVICE_INFO)
    assert host.transfer(BULK_IN, 512) == b"\xde\xad\xbe\xef" * 16
    control.fault("silent", "GetDeviceInfo")
    host.send(GET_DEVICE_INFO)
    while control.state()["faults"] or not host.sent_everything():
        pass
    assert works(host)
    control.fault("drop", "GetDeviceInfo")
    with pytest.raises(ConnectionError):
        host.run(GET_DEVICE_INFO)
    assert [listed.busid for listed in devices(usbip)] == ["1-2"]


@pytest.mark.parametrize("way", sorted(WAYS))
def test_each_mutation_is_sent_over_usb(host: Host, control: Control, way: str) -> None:
    control.fault("mutate", "GetDeviceInfo", share=1, way=way)
    host.send(GET_DEVICE_INFO)
    while control.state()["faults"] or not host.sent_everything():
        pass
    assert host.transfer(BULK_IN, 1 << 26) != b""
    host.control(0x21, 0x66)
    assert host.run(OPEN_SESSION, 1).code == OK


def test_an_import_can_fail_or_get_no_answer(usbip: str, control: Control) -> None:
    control.fault("init_fail")
    assert status(Host, usbip) == 1
    control.fault("init_silent")
    with connect(usbip) as connection:
        connection.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, b"1-1"))
        while control.state()["faults"]:
            pass
    with Host(usbip) as host:
        assert host.run(OPEN_SESSION, 1).code == OK


def test_what_needs_usb_is_rejected_without_it() -> None:
    with running_simulator(*SMALL[2:]) as simulator:
        assert simulator.control.state()["usb"] is None
        for request in ({"do": "unplug"}, {"do": "plug"}, {"do": "fault", "kind": "halt"}):
            reply = simulator.control.send(request)
            assert reply["error"] == "the camera is not on USB; allowed with the option --usbip"
