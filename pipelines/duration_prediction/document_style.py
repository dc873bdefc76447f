"""How a document looks as HTML. Mail programs heed only what stands on the element itself, so these are its styles."""

INK, MUTED, LINE, TINT, BLUE = "#1a202c", "#56606e", "#dfe4ea", "#f5f7fa", "#1f5f99"
SANS = "-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"

PAGE = f"margin:0;padding:0;background:#ffffff;color:{INK};font-family:{SANS};font-size:15px;line-height:1.5"
SHEET = "max-width:760px;margin:0 auto;padding:24px 20px 48px"
HEADINGS = {
    1: "font-size:26px;line-height:1.25;margin:0 0 4px",
    2: f"font-size:18px;line-height:1.3;margin:32px 0 10px;padding-top:16px;border-top:1px solid {LINE}",
    3: "font-size:15px;line-height:1.3;margin:22px 0 6px",
}
PARAGRAPH = f"margin:0 0 12px;color:{INK}"
CALLOUT = "margin:16px 0;padding:14px 18px;border-radius:4px;border-left:5px solid;font-size:16px;font-weight:600"
TONES = {
    "good": "border-left-color:#1b7f4d;background:#edf8f1;color:#12583a",
    "bad": "border-left-color:#b4232a;background:#fdf0f0;color:#8a1a20",
    "note": "border-left-color:#b7791f;background:#fff8e8;color:#70480b",
}
TILES = "margin:18px 0;font-size:0"
TILE_PLACE = "display:inline-block;width:84px;margin:0 8px 8px 0;vertical-align:top"
TILE = f"{TILE_PLACE};padding:10px 8px 10px 12px;background:{TINT};border-left:3px solid {BLUE};font-size:15px"
TILE_LABEL = f"font-size:12px;color:{MUTED}"
TILE_VALUE = "font-size:22px;font-weight:700;line-height:1.3"
TABLE = "width:100%;border-collapse:collapse;margin:8px 0 16px;font-size:14px;font-variant-numeric:tabular-nums"
HEAD_CELL = f"padding:6px 8px;border-bottom:2px solid {LINE};color:{MUTED};font-size:12px;vertical-align:bottom"
CELL = f"padding:6px 8px;border-bottom:1px solid {LINE};vertical-align:top"
MARKED = "background:#eaf2fa;font-weight:700"
SHARED_LINE = "font-size:0"
WIDE_FIGURE = "margin:10px 0 18px"
NARROW_FIGURE = "display:inline-block;width:49%;min-width:300px;vertical-align:top;margin:10px 1% 18px 0;font-size:15px"
IMAGE = "width:100%;max-width:100%;height:auto;display:inline-block;border:0"
CAPTION = f"font-size:13px;color:{MUTED}"
PREFORMATTED = f"white-space:pre-wrap;background:{TINT};border:1px solid {LINE};padding:12px;font-size:12px"
