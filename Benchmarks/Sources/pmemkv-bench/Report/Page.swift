/// The frame of the report: one file, no network, light and dark.
enum Page {
    static func html(title: String, sections: [String]) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>\(Markup.escape(title))</title>
        <style>
        \(style)
        </style>
        </head>
        <body>
        <main>
        <h1>\(Markup.escape(title))</h1>
        \(sections.joined(separator: "\n"))
        </main>
        </body>
        </html>

        """
    }

    static func section(_ heading: String, _ body: String) -> String {
        "<section>\n<h2>\(Markup.escape(heading))</h2>\n\(body)\n</section>"
    }

    static func paragraph(_ text: String) -> String { "<p>\(Markup.escape(text))</p>" }

    static func list(_ lines: [String]) -> String {
        "<ul>" + lines.map { "<li>\(Markup.escape($0))</li>" }.joined(separator: "\n") + "</ul>"
    }

    /// A heading, a line under it and a drawing, one tile of a grid.
    static func figure(_ heading: String, _ caption: String, _ drawing: String) -> String {
        """
        <figure><figcaption><b>\(Markup.escape(heading))</b> \
        <span>\(Markup.escape(caption))</span></figcaption>
        \(drawing)
        </figure>
        """
    }

    static func grid(_ figures: [String]) -> String {
        "<div class=\"grid\">\n\(figures.joined(separator: "\n"))\n</div>"
    }

    static let legend = """
        <p class="legend"><span class="key floor"></span>physical floor
        <span class="key ours"></span>this store
        <span class="key peer"></span>peer
        <span class="key relaxed"></span>not durable (any engine)</p>
        """

    /// Four roles, four colours, told apart in both schemes and by readers who see few colours:
    /// they differ in lightness as well.
    private static let style = """
        :root {
          --paper: #ffffff; --ink: #1d2330; --soft: #5b6475; --rule: #d9dde5; --tile: #f6f7f9;
          --floor: #9aa3b2; --ours: #1f6fd6; --peer: #d98a1f; --relaxed: #e9d2ac;
          --edge: #b58a45;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --paper: #14171d; --ink: #e6e9ef; --soft: #9aa4b5; --rule: #323844; --tile: #1b1f27;
            --floor: #6f7888; --ours: #62a5ff; --peer: #e0a044; --relaxed: #5a4a30;
            --edge: #b58a45;
          }
        }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink);
          font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
        main { max-width: 1560px; margin: 0 auto; padding: 24px 28px 64px; }
        h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 36px 0 8px; }
        p, li { color: var(--soft); max-width: 100ch; } p { margin: 6px 0; }
        .grid { display: grid; gap: 16px;
          grid-template-columns: repeat(auto-fill, minmax(min(100%, 700px), 1fr)); }
        figure { margin: 0; padding: 12px 14px; background: var(--tile);
          border: 1px solid var(--rule); border-radius: 6px; }
        figcaption span { color: var(--soft); font-size: 13px; }
        svg { display: block; width: 100%; height: auto; margin-top: 4px; }
        svg text { font-size: 12px; fill: var(--ink); }
        svg .figure { fill: var(--soft); font-variant-numeric: tabular-nums; }
        svg .tick { fill: var(--soft); font-size: 11px; }
        svg .grid { stroke: var(--rule); } svg .axis { stroke: var(--soft); }
        svg .span { stroke: var(--soft); stroke-opacity: .55; stroke-width: 2; }
        svg .whisker { stroke: var(--ink); stroke-opacity: .65; stroke-width: 1.5; }
        .floor { fill: var(--floor); background: var(--floor); }
        .ours { fill: var(--ours); background: var(--ours); }
        .peer { fill: var(--peer); background: var(--peer); }
        .relaxed { fill: var(--relaxed); background: var(--relaxed); stroke: var(--edge); }
        .legend .key { display: inline-block; width: 14px; height: 10px; border-radius: 2px;
          margin: 0 6px 0 16px; }
        .legend .key:first-child { margin-left: 0; }
        .legend .relaxed { outline: 1px solid var(--edge); }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
        th, td { padding: 3px 12px 3px 0; text-align: right; white-space: nowrap;
          border-bottom: 1px solid var(--rule); }
        th { color: var(--soft); font-weight: 600; }
        th:first-child, td:first-child { text-align: left; }
        code { font-size: 13px; }
        """
}
