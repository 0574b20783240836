#!/usr/bin/env python3
"""Measures how a network's time and memory grow with the picture and fall with threads, and draws it.

    python3 assets/readme/scaling.py --lucida target/release/lucida --out assets/readme/scaling.svg

Prints the table of the README's performance section. Run it on a machine that does nothing else.
"""
import argparse, json, math, os, subprocess

INK, GRID, LINES = "#888", "#8884", ("#d9822b", "#2b7bd9", "#3a9d5d", "#a04fc4")


def measure(lucida, net, size, threads):
    runs = 3 if size <= 1024 else 1
    cmd = [lucida, "bench", net, "--size", str(size), "--threads", str(threads), "--runs", str(runs), "--json"]
    return json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout)


def svg(net, sizes, threads, rows):
    w, h, left, top, right, bottom = 720, 400, 64, 36, 700, 352
    all_t = [r["median_s"] for r in rows.values()]
    ideal = min(rows[t, sizes[-1]]["median_s"] for t in threads) / sizes[-1] ** 2
    lo, hi = math.floor(math.log10(min(all_t + [ideal * sizes[0] ** 2]))), math.ceil(math.log10(max(all_t)))
    x = lambda size: left + (right - left) * math.log2(size / sizes[0]) / math.log2(sizes[-1] / sizes[0])
    y = lambda t: bottom - (bottom - top) * (math.log10(t) - lo) / (hi - lo)
    text = lambda px, py, s, anchor="middle", fill=INK: f'<text x="{px:.0f}" y="{py:.0f}" text-anchor="{anchor}" fill="{fill}">{s}</text>'
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" font-family="sans-serif" font-size="13">',
           f'<title>Seconds of one pass of {net} against the picture\'s side in pixels, for each number of threads</title>',
           text(left, 20, f"{net}: seconds for one picture", "start"), text((left + right) / 2, h - 8, "side of the picture in pixels")]
    for d in range(lo, hi + 1):
        out += [f'<path d="M{left} {y(10 ** d):.1f}H{right}" stroke="{GRID}"/>', text(left - 8, y(10 ** d) + 4, f"{10 ** d:g}", "end")]
    for s in sizes:
        out += [f'<path d="M{x(s):.1f} {top}V{bottom}" stroke="{GRID}"/>', text(x(s), bottom + 18, s)]
    line = lambda points: "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    out.append(f'<path d="{line([(x(s), y(ideal * s * s)) for s in sizes])}" fill="none" stroke="{INK}" stroke-dasharray="5 5"/>')
    legend = [("in proportion to the pixels", INK)]
    for t, colour in zip(threads, LINES):
        points = [(x(s), y(rows[t, s]["median_s"])) for s in sizes]
        out.append(f'<path d="{line(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in points]
        legend.append((f"{t} thread{'s' if t > 1 else ''}", colour))
    out += [text(left + 16, top + 20 + 18 * i, s, "start", c) for i, (s, c) in enumerate(reversed(legend))]
    return "\n".join(out + ["</svg>", ""])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lucida", default="target/release/lucida")
    p.add_argument("--net", default="johnson")
    p.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048, 4096])
    p.add_argument("--threads", type=int, nargs="+", default=[t for t in (1, 2, 4, 8, 16) if t <= os.cpu_count()])
    p.add_argument("--out")
    a = p.parse_args()
    rows = {(t, s): measure(a.lucida, a.net, s, t) for t in a.threads for s in a.sizes}
    head = [f"{t} thread{'s' if t > 1 else ''}" for t in a.threads]
    print(f"| side | {' | '.join(head)} | nanoseconds per pixel | peak memory | bytes per pixel |\n|{'---|' * (len(head) + 4)}")
    most = a.threads[-1]
    for s in a.sizes:
        last = rows[most, s]
        times = " | ".join(f"{rows[t, s]['median_s']:.3g} s" for t in a.threads)
        print(f"| {s} | {times} | {last['median_s'] * 1e9 / s / s:.0f} | {last['peak_rss_mb']} MiB | {last['peak_rss_mb'] * 2 ** 20 / s / s:.0f} |")
    if a.out:
        with open(a.out, "w") as f:
            f.write(svg(a.net, a.sizes, a.threads, rows))


if __name__ == "__main__":
    main()
