import os
import time

import numpy as np
import pytest
from serial.tools import list_ports
from tests.bench.meters.fake_ppk2 import FakePpk2, quantised, words

from kilohear.errors import ConfigError
from kilohear_bench.meters import Limits, MeterError, windows_of
from kilohear_bench.meters.ppk2 import Ppk2

pytest.importorskip("ppk2_api", reason="the extra ppk2 isn't installed")

PIN = 2


def signal(*stretches: tuple[int, float, int]) -> tuple[np.ndarray, np.ndarray]:
    """Currents in mA and logic bytes of (samples, mA, window pin) stretches."""
    lengths = [samples for samples, _, _ in stretches]
    current = np.repeat([current for _, current, _ in stretches], lengths)
    level = np.repeat([level for _, _, level in stretches], lengths)
    return current.astype(np.float64), (level << PIN).astype(np.uint8)


GATED = signal((2000, 0.2, 0), (5000, 3.0, 1), (2000, 0.2, 0), (3000, 1.5, 1), (1000, 0.2, 0))


def record(fake: FakePpk2, **options) -> Ppk2:
    return Ppk2(fake.port, clock_tolerance=None, **options)


def sample(fake: FakePpk2, meter: Ppk2):
    meter.start()
    assert fake.sent.wait(10)
    time.sleep(0.05)
    return meter.stop()


def test_gated_windows_are_recovered_exactly_with_the_instruments_calibration():
    with FakePpk2(words(*GATED), chop=1001) as fake, record(fake, supply_v=3.0) as meter:
        recording = sample(fake, meter)
        assert fake.source_mv == 3000
    assert recording.current_ma == pytest.approx(quantised(GATED[0], 1), rel=1e-12)
    assert (recording.logic == GATED[1]).all()
    assert recording.gaps == ()
    windows = windows_of(recording, PIN)
    first, second = windows.active
    assert (first.duration_s, second.duration_s) == pytest.approx((0.05, 0.03))
    assert first.current_ma == pytest.approx(3.0, abs=0.001)
    assert first.energy_uj == pytest.approx(3.0 * 3.0 * 50, rel=0.001)
    assert second.energy_uj == pytest.approx(1.5 * 3.0 * 30, rel=0.001)
    assert windows.idle[0].current_ma == pytest.approx(0.2, abs=0.001)
    assert "9173" in recording.firmware


def test_it_powers_the_board_and_takes_the_power_away():
    with FakePpk2(words(*GATED)) as fake:
        with record(fake):
            pass
        time.sleep(0.1)
    assert b"\x11\x02" in fake.commands  # source meter
    assert fake.commands[-1] == b"\x0c\x00"
    assert b"\x0c\x01" in fake.commands


def test_ampere_mode_and_a_second_recording():
    with FakePpk2(words(*GATED)) as fake, record(fake, mode="ampere") as meter:
        first, second = sample(fake, meter), sample(fake, meter)
        assert b"\x11\x01" in fake.commands
    assert (first.current_ma == second.current_ma).all()


def test_a_ppk2_left_sampling_is_taken_over():
    with FakePpk2(words(*GATED), already_sampling=True) as fake, record(fake) as meter:
        assert len(sample(fake, meter).current_ma) == len(GATED[0])


def test_a_meter_that_stops_mid_window_keeps_the_finished_ones():
    stopped = words(*GATED)[:10_000]  # inside the second window
    with FakePpk2(stopped) as fake, record(fake, stall_s=0.2) as meter:
        meter.start()
        time.sleep(0.8)
        with pytest.raises(MeterError, match="stopped sampling") as error:
            meter.stop()
    assert error.value.recording is not None
    windows = windows_of(error.value.recording, PIN)
    assert [window.samples for window in windows.active] == [5000]
    assert "cut off" in windows.damaged[0][1]


def test_a_meter_that_never_samples_is_told_from_one_that_does():
    with FakePpk2(words(*GATED)[:0]) as fake, record(fake, stall_s=0.1) as meter:
        meter.start()
        time.sleep(0.3)
        with pytest.raises(MeterError, match="stopped sampling") as error:
            meter.stop()
    assert error.value.recording is not None
    assert len(error.value.recording.current_ma) == 0


def test_a_pulled_cable_keeps_what_came():
    with FakePpk2(words(*GATED)) as fake, record(fake) as meter:
        meter.start()
        assert fake.sent.wait(10)
        time.sleep(0.1)
        fake.unplug()
        time.sleep(0.1)
        with pytest.raises(MeterError, match=r"gone|stopped") as error:
            meter.stop()
    assert error.value.recording is not None
    assert len(error.value.recording.current_ma) == len(GATED[0])


def test_lost_samples_are_found_by_the_counter_and_spoil_only_their_window():
    whole = words(*GATED)
    lossy = np.concatenate([whole[:4000], whole[4017:]])
    with FakePpk2(lossy) as fake, record(fake) as meter:
        recording = sample(fake, meter)
    assert [(gap.index, gap.missing) for gap in recording.gaps] == [(3999, 17)]
    assert recording.duration_s == pytest.approx(len(whole) / 100_000)
    windows = windows_of(recording, PIN)
    assert [window.samples for window in windows.active] == [3000]
    assert windows.damaged[0][1] == "17 samples lost"


def test_bytes_lost_inside_a_sample_are_no_measurement():
    torn = np.delete(words(*GATED).view(np.uint8), 20_000)
    with FakePpk2(torn) as fake, record(fake) as meter, pytest.raises(MeterError, match="step"):
        sample(fake, meter)


def test_a_loss_that_the_counter_cannot_see_shows_against_the_clock():
    whole = words(*GATED)
    lossy = np.concatenate([whole[:4000], whole[4064:]])  # one turn of the 6-bit counter
    with FakePpk2(lossy) as fake, Ppk2(fake.port, clock_tolerance=0.02) as meter:
        meter.start()
        assert fake.sent.wait(10)
        time.sleep(0.4)
        with pytest.raises(MeterError, match="some were lost") as error:
            meter.stop()
    assert error.value.recording is not None
    assert error.value.recording.gaps == ()


def test_overcurrent_ends_the_measurement_and_keeps_its_samples():
    short = signal((500, 20.0, 0), (600, 700.0, 0))
    with FakePpk2(words(*short, span=4)) as fake, record(fake) as meter:
        with pytest.raises(MeterError, match="overcurrent") as error:
            sample(fake, meter)
        assert error.value.recording is not None
        assert error.value.recording.fault == "overcurrent"
    wide = Limits(max_ma=800)
    with FakePpk2(words(*short, span=4)) as fake, record(fake, limits=wide) as meter:
        sample(fake, meter)


def test_a_port_in_use_is_told_from_one_that_is_missing():
    with FakePpk2(words(*GATED)) as fake, record(fake):
        with pytest.raises(MeterError, match="in use"):
            record(fake).open()
        with pytest.raises(MeterError, match="there is no"):
            Ppk2("/dev/ttyNone").open()


def test_another_device_at_the_port_is_refused():
    with (
        FakePpk2(words(*GATED), metadata="") as fake,
        pytest.raises(MeterError, match="not as a PPK2"),
        record(fake),
    ):
        pass


def test_no_ppk2_and_two_of_them_are_refused(monkeypatch):
    monkeypatch.setattr(list_ports, "comports", lambda: [])
    with pytest.raises(MeterError, match="none is connected"):
        Ppk2().open()

    class Port:
        product = "PPK2"
        description = "nRF Connect USB CDC ACM"
        device = os.devnull

    monkeypatch.setattr(list_ports, "comports", lambda: [Port(), Port()])
    with pytest.raises(MeterError, match="2 are connected"):
        Ppk2().open()


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError):
        Ppk2(supply_v=12)
    with pytest.raises(ConfigError):
        Ppk2(mode="volt")  # pyright: ignore[reportArgumentType]
    with pytest.raises(MeterError, match="not open"):
        Ppk2().start()
    with pytest.raises(MeterError, match="not started"):
        Ppk2().stop()
