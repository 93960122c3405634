"""The page that lists what tests have left behind, to be read without a server."""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path
from urllib.parse import quote

from .folders import INCOMING, REPORT, Entry, entries

INDEX = 'index.html'
_GENERATOR = '<meta name="generator" content="pytest-aiida-temp">'
_PICTURE = 'provenance.svg'
MOST_FILES = 40
"""How many files of a test are linked to, besides the first few."""

_FIRST = (REPORT, 'storage.aiida', 'provenance.svg', 'provenance.dot')
_RANKS = ('error', 'failed', 'rerun', 'xpassed', 'xfailed', 'passed')

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{generator}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AiiDA artefacts: {title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>What tests left behind</h1>
<p>{counts}</p>
<p class="hint">Look at a storage with <code>verdi archive inspect FOLDER/storage.aiida</code>, or import it into a
profile with <code>verdi archive import FOLDER/storage.aiida</code>.</p>
</header>
<nav>
<table>
<thead><tr><th>outcome</th><th>test</th><th>storage</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</nav>
<main>
{articles}
</main>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 75rem; padding: 1rem 1.5rem 4rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; }
h2 { font-size: 1.05rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem .35rem 0; text-align: left; vertical-align: top; }
td:nth-child(2) { overflow-wrap: anywhere; }
article { border: 1px solid var(--line); border-radius: .5rem; margin: 1.5rem 0; padding: 1rem 1.25rem; }
article:target { outline: 3px solid #3b82f6; }
pre { background: var(--soft); border-radius: .3rem; font-size: 13px; line-height: 1.4; overflow: auto; padding: .75rem;
  max-height: 40rem; }
code { font-size: 13px; }
figure { background: #fff; border: 1px solid var(--line); border-radius: .3rem; margin: .75rem 0; padding: .5rem;
  text-align: center; }
figure img { max-height: 32rem; max-width: 100%; }
.error { font-family: ui-monospace, monospace; font-size: 13px; overflow-wrap: anywhere; }
.hint, .soft { opacity: .7; }
.badge { border-radius: 1rem; color: #fff; display: inline-block; font-size: 12px; font-weight: 600; padding: 0 .6rem; }
.is-failed, .is-error { background: #b91c1c; } .is-rerun, .is-xpassed { background: #b45309; }
.is-passed { background: #15803d; } .is-xfailed { background: #4b5563; }
ul { columns: 3 18rem; padding-left: 1.2rem; } li { overflow-wrap: anywhere; }
"""


def write_index(root: Path, run: str) -> Path:
    """Write the page into the folder with those of the tests, and return its path.

    :param run: tests that were written in another run are shown as such.
    """
    found = sorted(entries(root), key=lambda pair: (_rank(pair[1]), pair[1].test, pair[1].attempt))
    path = _free_path(root)
    numbers = Counter(entry.outcome for _, entry in found)
    counts = ', '.join(f'{numbers[outcome]} {outcome}' for outcome in sorted(numbers, key=_place)) or 'Nothing.'
    text = _PAGE.format(
        generator=_GENERATOR,
        title=escape(counts),
        style=_STYLE,
        counts=escape(counts),
        rows='\n'.join(_row(folder, entry) for folder, entry in found),
        articles='\n'.join(_article(folder, entry, entry.run == run) for folder, entry in found),
    )
    incoming = root / f'{INCOMING}{run}-{INDEX}'
    incoming.write_text(text, encoding='utf-8', errors='backslashreplace')
    incoming.replace(path)
    return path


def _free_path(root: Path) -> Path:
    """Return where to write, which is not where the user has a page of their own."""
    path = root / INDEX
    if path.exists() and _GENERATOR not in path.read_text(encoding='utf-8', errors='replace')[:500]:
        return root / f'aiida-temp-{INDEX}'
    return path


def _place(outcome: str) -> int:
    return _RANKS.index(outcome) if outcome in _RANKS else len(_RANKS)


def _rank(entry: Entry) -> int:
    return _place(entry.outcome)


def _title(entry: Entry) -> str:
    attempt = f' <span class="soft">attempt {entry.attempt}</span>' if entry.attempt > 1 else ''
    return f'{escape(entry.test)}{attempt}'


def _badge(entry: Entry) -> str:
    return f'<span class="badge is-{escape(entry.outcome)}">{escape(entry.outcome)}</span>'


def _row(folder: Path, entry: Entry) -> str:
    link = f'<a href="#{quote(folder.name)}">{_title(entry)}</a>'
    return f'<tr><td>{_badge(entry)}</td><td>{link}</td><td class="soft">{escape(entry.counts)}</td></tr>'


def _article(folder: Path, entry: Entry, is_of_this_run: bool) -> str:
    earlier = '' if is_of_this_run else '<p class="soft">From an earlier run.</p>'
    where = f' in {escape(entry.phase)}' if entry.phase and entry.outcome in ('failed', 'error', 'rerun') else ''
    notes = ''.join(f'<p class="soft">{escape(note)}</p>' for note in entry.notes)
    return f"""<article id="{escape(folder.name)}">
<h2>{_badge(entry)} {_title(entry)}<span class="soft">{where}</span></h2>
{earlier}<p class="error">{escape(entry.error)}</p>
<p>{escape(entry.counts)}</p>
{_figure(folder, entry)}{notes}
<details{' open' if entry.outcome in ('failed', 'error') else ''}><summary>Report</summary>
<pre>{escape(_report(folder))}</pre></details>
<details open><summary>Files</summary><ul>
{_files(folder, entry)}
</ul></details>
</article>"""


def _figure(folder: Path, entry: Entry) -> str:
    if _PICTURE not in entry.files:
        return ''
    address = _address(folder, _PICTURE)
    alternative = f'Provenance of what {escape(entry.test)} stored'
    return f'<figure><a href="{address}"><img src="{address}" alt="{alternative}" loading="lazy"></a></figure>\n'


def _report(folder: Path) -> str:
    try:
        return (folder / REPORT).read_text(encoding='utf-8', errors='replace').strip()
    except OSError as exception:
        return str(exception)


def _files(folder: Path, entry: Entry) -> str:
    names = [name for name in _FIRST if name in entry.files]
    others = [name for name in entry.files if name not in _FIRST]
    items = [f'<li><a href="{_address(folder, name)}">{escape(name)}</a></li>' for name in names + others[:MOST_FILES]]
    if len(others) > MOST_FILES:
        items.append(f'<li>and {len(others) - MOST_FILES} more in <a href="{_address(folder, "")}">the folder</a></li>')
    return '\n'.join(items)


def _address(folder: Path, name: str) -> str:
    return quote(f'{folder.name}/{name}')
