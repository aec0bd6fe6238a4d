/** `tally completion`: a script that teaches a shell the commands and options, made from the program itself. */

import { Argument, type Command, type Option } from "commander";
import { type GlobalOptions, outputFor } from "./context.js";

/** One place on the command line, and what may come next there. */
interface Place {
  /** The commands up to here, without the program's name: "" or "wallet buy". */
  readonly path: string;
  readonly words: readonly Word[];
}

interface Word {
  readonly text: string;
  readonly description: string;
}

interface Grammar {
  readonly name: string;
  readonly places: readonly Place[];
  /** Options that take the next word; that word is no command. */
  readonly valued: readonly string[];
  /** Those of them whose next word is a folder. */
  readonly folders: readonly string[];
}

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;
type Shell = keyof typeof SCRIPTS;
const SHELLS = Object.keys(SCRIPTS) as Shell[];

const AFTERWORD = `
For this session: source <(tally completion bash), the same with zsh, or tally completion fish | source.
For all of them: put the line into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish.`;

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .description("a script that completes commands in a shell")
    .addArgument(new Argument("<shell>", "which one").choices(SHELLS))
    .addHelpText("after", AFTERWORD)
    .action((shell: Shell, _options: unknown, command: Command) => {
      const script = SCRIPTS[shell](grammarOf(program));
      outputFor(command.optsWithGlobals<GlobalOptions>()).result({ shell, script }, [script]);
    });
}

function grammarOf(program: Command): Grammar {
  const places: Place[] = [];
  const valued = new Set<string>();
  const folders = new Set<string>();
  const walk = (command: Command, path: readonly string[], inherited: readonly Option[]): void => {
    const help = command.createHelp();
    const options = [...help.visibleOptions(command), ...inherited.filter(({ long }) => long !== "--help")];
    const choices = command.registeredArguments[0]?.argChoices ?? [];
    const commands = [...help.visibleCommands(command)];
    const words = [
      ...commands.map((sub) => ({ text: sub.name(), description: sub.description() })),
      ...choices.map((text) => ({ text, description: "" })),
      ...options.flatMap((option) => namesOf(option).map((text) => ({ text, description: option.description }))),
    ];
    places.push({ path: path.join(" "), words });
    for (const option of options.filter(({ required }) => required)) {
      for (const name of namesOf(option)) {
        valued.add(name);
        if (/<folder>/.test(option.flags)) folders.add(name);
      }
    }
    for (const sub of commands) walk(sub, [...path, sub.name()], options);
  };
  walk(program, [], []);
  return { name: program.name(), places, valued: [...valued], folders: [...folders] };
}

/** The long name: whoever completes has no need of a short one. */
function namesOf({ long, short }: Option): string[] {
  const name = long ?? short;
  return name === undefined ? [] : [name];
}

/** A word of a shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function quotedForFish(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** Patterns of a `case`; where there are none, one that is no word. */
function patterns(texts: readonly string[]): string {
  return (texts.length === 0 ? [" "] : texts).map(quoted).join("|");
}

function bashScript({ name, places, valued, folders }: Grammar): string {
  const paths = places.map(({ path }) => path).filter((path) => path !== "");
  return `# ${name} for bash: source <(${name} completion bash)
_${name}() {
  local at='' words='' word i
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in
      ${patterns(valued)}) ((i++)) ;;
      *) case "\${at:+$at }$word" in ${patterns(paths)}) at="\${at:+$at }$word" ;; esac ;;
    esac
  done
  case "$previous" in
    ${patterns(folders)})
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "$current")
      return ;;
    ${patterns(valued)}) return ;;
  esac
  case "$at" in
${places.map(({ path, words }) => `    ${quoted(path)}) words=${quoted(words.map(({ text }) => text).join(" "))} ;;`).join("\n")}
  esac
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
}
complete -F _${name} ${name}`;
}

function zshScript({ name, places, valued, folders }: Grammar): string {
  const paths = places.map(({ path }) => path).filter((path) => path !== "");
  const described = ({ text, description }: Word) =>
    quoted(description === "" ? text : `${text}:${description.replaceAll(":", "\\:")}`);
  return `#compdef ${name}
# ${name} for zsh: source <(${name} completion zsh)
_${name}() {
  local at='' word
  local -a found
  local -i i
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    case "$word" in
      ${patterns(valued)}) ((i++)) ;;
      *) case "\${at:+$at }$word" in ${patterns(paths)}) at="\${at:+$at }$word" ;; esac ;;
    esac
  done
  case "\${words[CURRENT-1]}" in
    ${patterns(folders)}) _files -/; return ;;
    ${patterns(valued)}) return ;;
  esac
  case "$at" in
${places.map(({ path, words }) => `    ${quoted(path)}) found=(${words.map(described).join(" ")}) ;;`).join("\n")}
  esac
  _describe ${quoted(name)} found
}
if [ "\${funcstack[1]}" = "_${name}" ]; then _${name} "$@"; else compdef _${name} ${name}; fi`;
}

function fishScript({ name, places, valued, folders }: Grammar): string {
  const paths = places.map(({ path }) => path).filter((path) => path !== "");
  const all = (texts: readonly string[]) => (texts.length === 0 ? [" "] : texts).map(quotedForFish).join(" ");
  const offers = places.flatMap(({ path, words }) =>
    words.map(
      ({ text, description }) =>
        `complete -c ${name} -n ${quotedForFish(`__${name}_at ${quotedForFish(path)}`)} -a ${quotedForFish(text)} -d ${quotedForFish(description)}`,
    ),
  );
  return `# ${name} for fish: ${name} completion fish | source
function __${name}_at
  set -l at
  set -l skip 0
  set -l words (commandline -opc)
  for word in $words[2..]
    if test $skip = 1
      set skip 0
      continue
    end
    switch "$word"
      case ${all(valued)}
        set skip 1
      case '*'
        switch (string join ' ' -- $at $word)
          case ${all(paths)}
            set -a at $word
        end
    end
  end
  test $skip = 0; and test (string join ' ' -- $at) = "$argv[1]"
end
function __${name}_folder
  set -l words (commandline -opc)
  contains -- "$words[-1]" ${all(folders)}
end
complete -c ${name} -f
complete -c ${name} -n __${name}_folder -a '(__fish_complete_directories)'
${offers.join("\n")}`;
}
