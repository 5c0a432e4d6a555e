"""The table and the chart of a run."""


def figure(entry, key, form="{:.1f}", scale=1.0):
    value = entry.get(key)
    return form.format(value["median"] * scale) if isinstance(value, dict) else "–"


def spread(entry, key, form="{:.1f}"):
    value = entry.get(key)
    if not isinstance(value, dict):
        return "–"
    if value["low"] == value["high"]:
        return form.format(value["median"])
    return f"{form.format(value['median'])} ({form.format(value['low'])}–{form.format(value['high'])})"


def ratio(entry, floor, key):
    if not isinstance(entry.get(key), dict) or not isinstance(floor.get(key), dict) or not floor[key]["median"]:
        return "–"
    return f"{entry[key]['median'] / floor[key]['median']:.2f}"


def added(entry, direct, key):
    if not isinstance(entry.get(key), dict) or not isinstance(direct.get(key), dict):
        return "–"
    return f"{(entry[key]['median'] - direct[key]['median']) / 1000:.2f}"


def markdown(document):
    results = document["results"]
    direct, floor = results.get("direct", {}), results.get("nginx", {})
    names = [name for name in results if name != "direct"]
    load = document["machine"]["load_average_before"][0], document["machine"]["load_average_after"][0]
    lines = [
        "# Gateways", "",
        f"{document['rounds']} rounds{' (quick)' if document['quick'] else ''}, medians (lowest–highest); {document['machine']['cores']} cores, load average "
        f"{load[0]:.1f} before and {load[1]:.1f} after. How it is measured and how to read it: bench/README.md.", "",
        "| gateway | CPU µs per small request | × nginx | requests/s on its core | added at a steady rate p50 / p99, ms | 400 KB body, CPU µs | × nginx "
        "| SSE chunk, CPU µs | × nginx | gap p99 added, ms | KB per idle stream | RSS idle / after, MB | start, ms | failed |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        e = results[name]
        lines.append(
            f"| {name} | {spread(e, 'small_cpu_us')} | {ratio(e, floor, 'small_cpu_us')} | {figure(e, 'small_per_second', '{:,.0f}')} "
            f"| {added(e, direct, 'paced_p50_us')} / {added(e, direct, 'paced_p99_us')} (at {figure(e, 'paced_rate', '{:.0f}')}/s) "
            f"| {spread(e, 'big_cpu_us', '{:,.0f}')} | {ratio(e, floor, 'big_cpu_us')} | {spread(e, 'chunk_cpu_us')} | {ratio(e, floor, 'chunk_cpu_us')} "
            f"| {added(e, direct, 'gap_p99_us')} ({figure(e, 'streams', '{:.0f}')} streams) | {figure(e, 'idle_bytes', '{:.1f}', 1 / 1024)} of {figure(e, 'idle_streams', '{:,.0f}')} "
            f"| {figure(e, 'rss_idle', '{:.0f}', 1e-6)} / {figure(e, 'rss_after', '{:.0f}', 1e-6)} | {figure(e, 'start_ms', '{:.0f}')} | {e['failed']} |")
    lines += ["", f"Load generator on the mock alone: {figure(direct, 'small_per_second', '{:,.0f}')} requests/s, "
              f"{figure(direct, 'chunk_per_second', '{:,.0f}')} chunks/s, p50 {figure(direct, 'paced_p50_us', '{:.0f}')} µs."]
    if document["left_out"]:
        lines.append(f"Not installed, left out: {', '.join(document['left_out'])}.")
    return "\n".join(lines) + "\n\n" + "\n".join(f"* {name}: {what}" for name, what in document["contestants"].items()) + "\n"


def chart(document):
    """Bars of CPU per small request, on a logarithmic scale: the gateways are three orders of magnitude apart."""
    import math
    results = document["results"]
    bars = [(name, e["small_cpu_us"]) for name, e in results.items() if isinstance(e.get("small_cpu_us"), dict)]
    bars.sort(key=lambda bar: bar[1]["median"])
    if not bars:
        return "<svg xmlns='http://www.w3.org/2000/svg'/>\n"
    left, width, row = 110, 560, 34
    low, high = min(1.0, bars[0][1]["low"]), bars[-1][1]["high"] * 1.3

    def x(value):
        return left + width * (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
    height = 70 + row * len(bars)
    out = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {left + width + 90} {height}' font-family='sans-serif' font-size='13'>",
           "<rect width='100%' height='100%' fill='white'/>",
           f"<text x='{left}' y='24' font-size='15'>CPU per small chat request, µs (logarithmic; line: lowest to highest round)</text>"]
    tick = 10 ** math.ceil(math.log10(low))
    while tick < high:
        out.append(f"<line x1='{x(tick):.1f}' x2='{x(tick):.1f}' y1='36' y2='{height - 28}' stroke='#ddd'/>"
                   f"<text x='{x(tick):.1f}' y='{height - 12}' text-anchor='middle' fill='#666'>{tick:,.0f}</text>")
        tick *= 10
    for i, (name, value) in enumerate(bars):
        y = 42 + i * row
        colour = "#c2410c" if name == "atrium" else "#94a3b8"
        out.append(f"<text x='{left - 8}' y='{y + 16}' text-anchor='end'>{name}</text>"
                   f"<rect x='{left}' y='{y}' width='{max(1, x(value['median']) - left):.1f}' height='{row - 12}' fill='{colour}'/>"
                   f"<line x1='{x(value['low']):.1f}' x2='{x(value['high']):.1f}' y1='{y + 11}' y2='{y + 11}' stroke='#111'/>"
                   f"<text x='{x(value['high']) + 6:.1f}' y='{y + 16}'>{value['median']:,.0f}</text>")
    return "\n".join(out) + "\n</svg>\n"
