"""One boot of the emulated machine: QEMU's command line, its monitor, and the job channel.

The job channel is the second serial port, connected to QEMU's standard input and output. The guest
writes its output there, mixed with lines that begin with '@' and are meant for this program:

    @pass MEDIUM TEST          one check succeeded
    @fail MEDIUM TEST DETAIL   one check failed
    @wait TOKEN                the guest waits until the host sends a line
    @exit CODE                 the job is over; the machine powers off next
"""

import os
import select
import socket
import subprocess
import time

from media import DEVICES
from packages import SetupError, find_program


class MachineError(Exception):
    """The machine died, hung, or did not do what the job asked for."""


def create_images(directory, fresh=True):
    """Sparse backing files, one a device."""
    os.makedirs(directory, exist_ok=True)
    for device in DEVICES:
        path = os.path.join(directory, device.name + ".img")
        if fresh and os.path.exists(path):
            os.unlink(path)
        with open(path, "ab") as file:
            file.truncate(device.size)


def device_arguments(images, with_virtio):
    """QEMU's options for the devices, whose physical addresses ascend in this order."""
    arguments = []
    for device in DEVICES:
        path = os.path.join(images, device.name + ".img")
        if device.kind == "disk":
            arguments += [
                "-drive", f"if=none,id={device.name},format=raw,file={path}",
                "-device", f"virtio-blk-pci,drive={device.name}"]
            continue
        if device.kind == "virtio-pmem" and not with_virtio:
            continue
        backend = f"memory-backend-file,id=m-{device.name},share=on,mem-path={path}"
        arguments += ["-object", f"{backend},size={device.size},align=2M"]
        model = "nvdimm" if device.kind == "nvdimm" else "virtio-pmem-pci"
        arguments += ["-device", f"{model},id=d-{device.name},memdev=m-{device.name}"]
    return arguments


class Machine:
    """A running QEMU. Use as a context manager: leaving it kills what still runs."""

    def __init__(self, kernel, archives, images, directory, *, name, with_virtio=True,
                 automatic_flush=False, processors=2, plugin=None, extra=(), cpu="max",
                 append=""):
        self.name = name
        self.log_path = os.path.join(directory, name + ".console")
        self.transcript_path = os.path.join(directory, name + ".job")
        self.monitor_path = os.path.join(directory, name + ".monitor")
        initrd = os.path.join(directory, name + ".initrd")
        with open(initrd, "wb") as output:
            for archive in archives:
                with open(archive, "rb") as source:
                    output.write(source.read())
        machine = "q35,nvdimm=on,nvdimm-persistence=" + ("cpu" if automatic_flush else "mem-ctrl")
        command = [
            find_program("qemu-system-x86_64"), "-machine", machine,
            "-accel", "tcg,thread=multi", "-cpu", cpu, "-m", "1536M,slots=12,maxmem=16G",
            "-smp", str(processors), "-display", "none", "-nodefaults", "-no-reboot",
            "-monitor", f"unix:{self.monitor_path},server=on,wait=off",
            "-serial", f"file:{self.log_path}",
            "-chardev", "stdio,id=job,signal=off", "-serial", "chardev:job",
            "-kernel", kernel.image, "-initrd", initrd,
            "-append", f"console=ttyS0 panic=-1 quiet {append}".strip(),
            *device_arguments(images, with_virtio), *extra]
        if plugin:
            command += ["-plugin", plugin]
        self.transcript = open(self.transcript_path, "w", encoding="utf-8")
        self.errors = open(os.path.join(directory, name + ".qemu"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.pending = b""
        self.started = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.transcript.close()
        self.errors.close()

    def kill(self):
        """SIGKILL: for the guest, the power is gone."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def monitor(self, *commands):
        """Runs monitor commands and gives back what they print."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(self.monitor_path)
            text = b""
            for command in ["", *commands]:
                if command:
                    connection.sendall(command.encode() + b"\n")
                start = len(text)
                while not text[start:].endswith(b"(qemu) "):
                    piece = connection.recv(65536)
                    if not piece:
                        raise MachineError(f"{self.name}: the monitor closed")
                    text += piece
            return text.decode(errors="replace")

    def read_available(self, timeout):
        """Complete lines that arrived, waiting at most `timeout` seconds; None at the end."""
        descriptor = self.process.stdout.fileno()
        if not select.select([descriptor], [], [], max(0, timeout))[0]:
            return []
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            return None
        self.pending += piece
        *complete, self.pending = self.pending.split(b"\n")
        lines = [line.decode(errors="replace").rstrip("\r") for line in complete]
        elapsed = time.monotonic() - self.started
        for line in lines:
            self.transcript.write(f"{elapsed:7.2f} {line}\n")
        self.transcript.flush()
        return lines

    def lines(self, seconds):
        """Every line of the job channel until the machine is off; raises after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise MachineError(f"{self.name}: no end after {seconds} s\n{self.tail()}")
            lines = self.read_available(remaining)
            if lines is None:
                return
            yield from lines

    def tail(self):
        """The end of what the guest and QEMU said, for messages."""
        parts = []
        for path in [self.log_path, self.transcript_path, self.errors.name]:
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    parts.append(f"--- {path}\n" + "".join(file.readlines()[-15:]))
        return "\n".join(parts)


def run_job(machine, report, seconds, on_wait=None, on_line=None):
    """Follows a job to its end; gives back its exit code.

    Checks go to `report`; other lines to `on_line`; `@wait` to `on_wait`, which answers.
    """
    code = None
    for line in machine.lines(seconds):
        word, _, rest = line.partition(" ")
        if word == "@exit":
            code = int(rest)
        elif word in ("@pass", "@fail"):
            medium, _, rest = rest.partition(" ")
            test, _, detail = rest.partition(" ")
            report.add(medium, test, word == "@pass", detail)
        elif word == "@wait" and on_wait:
            on_wait(rest)
            machine.send("go")
        elif on_line:
            on_line(line)
    if code is None:
        raise MachineError(f"{machine.name}: the machine went down early\n{machine.tail()}")
    return code


def check_qemu():
    """QEMU must be there and able to start; otherwise the whole run fails."""
    program = find_program("qemu-system-x86_64")
    if not program:
        raise SetupError("qemu-system-x86_64 is missing")
    result = subprocess.run([program, "--version"], capture_output=True, check=False)
    if result.returncode != 0:
        raise SetupError(f"{program} does not run: {result.stderr.decode(errors='replace')}")
