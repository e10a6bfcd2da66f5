#!/usr/bin/env python3
"""directions.py: which file of extension/ and shim/ may know which, as DESIGN.md's layout says.

A module is a .c file with its header, named without the ending. An arrow goes from one module to another
that it includes, or whose function or variable it uses: a function may be declared in another module's
header. Prints each arrow that goes the wrong way, and each circle of modules, with file and symbol; the exit
status is 1 then. Reads sources alone, so that nothing has to be built before.

    python3 test/directions.py [FOLDER]     FOLDER: where extension/ and shim/ are, this project by default
"""
import os
import re
import sys

# A folder may know itself and what stands right of it in its row; "" are the files beside the folders.
LAYERS = {
    'extension': ['server', 'queue', 'posting', 'tables', 'base', 'rules'],
    'shim': ['', 'api', 'http', 'db', 'base'],
}
# What the shim may know of the extension: plain C without the server.
SHARED = {'rules/codes', 'rules/kinds', 'rules/number', 'base/session'}
# Arrows of circles that are still to be mended: (from, to), a whole folder as folder/*.
KNOWN = {
}

# The server's own headers are quoted by their folder, or are postgres.h and its like.
SERVER_HEADER = re.compile(r'^(server/|postgres|fmgr|funcapi|miscadmin|pgstat|varatt|(access|catalog|commands|'
                           r'common|datatype|executor|lib|mb|nodes|parser|port|postmaster|storage|utils)/)')
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
# A definition: the type stands on the line before the function's name, and on the same line as a variable's.
FUNCTION = re.compile(r'^(?P<type>[A-Za-z_][\w \t*]*)\n(?P<name>\w+)\(', re.M)
VARIABLE = re.compile(r'^(?P<type>[A-Za-z_][\w \t*]*?[ \t*])(?P<name>\w+)(?:\[[^\n]*\])?(?:;| =)', re.M)


class Module:
    def __init__(self, name):
        self.name = name
        self.folder = os.path.dirname(name)
        self.defines = set()
        self.arrows = {}  # from the name of another module to (file, why)

    def points_at(self, other, file, why):
        if other != self.name:
            self.arrows.setdefault(other, (file, why))


def sources(top):
    for folder, _, files in sorted(os.walk(top)):
        for file in sorted(files):
            path = os.path.relpath(os.path.join(folder, file), top)
            if re.search(r'\.[ch]$', file) and file != 'openapi.c':
                with open(os.path.join(folder, file), encoding='utf-8') as opened:
                    yield path, opened.read()


def is_global(match):
    return not re.match(r'(static|typedef|extern|return|struct \w+$|else)\b', match['type'])


def read_tree(top):
    """The modules below a folder, and for each file its includes and its text without comments."""
    modules, files = {}, {}
    for path, text in sources(top):
        module = modules.setdefault(path[:-2], Module(path[:-2]))
        code = COMMENT_OR_TEXT.sub(' ', text)
        files[path] = (INCLUDE.findall(text), code)
        if path.endswith('.c'):
            found = [*FUNCTION.finditer(code), *VARIABLE.finditer(code)]
            module.defines |= {match['name'] for match in found if is_global(match)}
    return modules, files


def draw_arrows(modules, files, others):
    """others: modules of another tree that may be pointed at as well, by their path from the top."""
    owner = {symbol: name for name, module in modules.items() for symbol in module.defines}
    for path, (includes, code) in files.items():
        module = modules[path[:-2]]
        for mark, header in includes:
            name = re.sub(r'\.[ch]$', '', header)
            if name in modules:
                module.points_at(name, path, f'#include "{header}"')
            elif name.removeprefix('extension/') in others:
                module.points_at('extension/' + name.removeprefix('extension/'), path, f'#include "{header}"')
            elif SERVER_HEADER.match(header) and header != 'postgres_ext.h':
                module.points_at('server:' + header, path, f'#include {mark}{header}')
        # A member of a structure may have any name.
        for symbol in re.findall(r'(?<![\w.>])[a-z]\w*', code):
            if symbol in owner and symbol not in module.defines:
                module.points_at(owner[symbol], path, symbol)


def is_known(tree, module, other):
    starts = {module, os.path.dirname(module) + '/*'}
    ends = {other, os.path.dirname(other) + '/*'}
    return any((f'{tree}/{start}', end) in KNOWN for start in starts for end in ends)


def may_point(tree, module, other):
    if tree == 'shim' and other.startswith('server:'):
        return False
    if tree == 'shim' and other.startswith('extension/'):
        return other.removeprefix('extension/') in SHARED
    if other.startswith('server:'):
        return module.folder != 'rules'
    row = LAYERS[tree]
    to = os.path.dirname(other)
    if module.folder not in row or to not in row:
        return False
    if module.folder == 'rules' or row.index(to) < row.index(module.folder):
        return to == module.folder
    return True


def circles(tree, modules):
    """Groups of modules of which each leads to each other."""
    reach = {}
    for start in modules:
        seen, todo = set(), [start]
        while todo:
            name = todo.pop()
            for other in modules[name].arrows:
                if other in modules and other not in seen and not is_known(tree, name, other):
                    seen.add(other)
                    todo.append(other)
        reach[start] = seen
    groups = {frozenset(other for other in reach[name] if name in reach[other])
              for name in modules if name in reach[name]}
    return sorted(sorted(group) for group in groups)


def check(top, tree, others):
    modules, files = read_tree(os.path.join(top, tree))
    draw_arrows(modules, files, others)
    wrong = []
    for name, module in sorted(modules.items()):
        if module.folder not in LAYERS[tree]:
            wrong.append(f'{tree}/{name}: the table LAYERS does not know its folder')
            continue
        for other, (file, why) in sorted(module.arrows.items()):
            if not is_known(tree, name, other) and not may_point(tree, module, other):
                wrong.append(f'{tree}/{file} must not know {other}: {why}')
    for group in circles(tree, modules):
        wrong.append(f'{tree}: a circle of {", ".join(group)}')
        for name in group:
            for other, (file, why) in sorted(modules[name].arrows.items()):
                if other in group:
                    wrong.append(f'    {tree}/{file} knows {other}: {why}')
    return modules, wrong


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
    extension, wrong = check(top, 'extension', {})
    wrong += check(top, 'shim', extension)[1]
    print('\n'.join(wrong) if wrong else 'every arrow runs one way')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
