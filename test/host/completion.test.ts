/** The completion scripts, run by the shells they are for; those that this machine does not have are left out. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Argument, Command } from "commander";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { addCompletion } from "../../host/cli/completion.js";
import { programOf, run } from "../../host/cli/program.js";

const has = (shell: string) => spawnSync(shell, ["-c", "exit 0"]).status === 0;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-completion-"));
  mkdirSync(join(folder, "homes", "one two"), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function printed(work: () => Promise<unknown>): Promise<string> {
  let out = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  try {
    await work();
    return out;
  } finally {
    write.mockRestore();
  }
}

const scriptOf = (shell: string, program = programOf()) =>
  printed(() => program.parseAsync(["completion", shell], { from: "user" }));

/** A program with what words can have in them. */
function oddProgram(): Command {
  const odd = new Command("odd").option("--at <folder>", "it's a \\ place: $HOME `id`").exitOverride();
  odd
    .command("paint")
    .description("don't")
    .addArgument(new Argument("<colour>").choices(["red", "green"]));
  odd.command("sing").option("--loud");
  addCompletion(odd);
  return odd;
}

/** What bash offers for the last of the words. */
function bash(script: string, ...words: string[]): string[] {
  const path = join(folder, "completion.bash");
  writeFileSync(path, script);
  const program = words[0] ?? "";
  const work = `set -u; source "$1"; shift; complete -p ${program} >/dev/null || exit 9
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _${program} ${program} "\${COMP_WORDS[COMP_CWORD]}" ""
    ((\${#COMPREPLY[@]} == 0)) || printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", work, "bash", path, ...words], {
    cwd: folder,
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.split("\n").filter((line) => line !== "");
}

/** Every command of the program, with the words before it. */
function commandsOf(command: Command, path: string[] = []): [string[], Command][] {
  return [[path, command], ...command.commands.flatMap((sub) => commandsOf(sub, [...path, sub.name()]))];
}

describe.runIf(has("bash"))("completion in bash", () => {
  test("offers the commands and options of each place, and nothing else", async () => {
    const script = await scriptOf("bash");
    for (const [path, command] of commandsOf(programOf())) {
      const offered = bash(script, "tally", ...path, "");
      for (const sub of command.commands) expect(offered, path.join(" ")).toContain(sub.name());
      for (const { long } of command.options) expect(offered, path.join(" ")).toContain(long);
      expect(offered).toEqual(expect.arrayContaining(["--home", "--json"]));
      expect(new Set(offered).size).toBe(offered.length);
    }
    const inWallet = bash(script, "tally", "wallet", "");
    expect(inWallet).not.toContain("demo");
    expect(bash(script, "tally", "wallet", "buy", "alice", "")).not.toContain("sell");
  });

  test("goes by what is there already", async () => {
    const script = await scriptOf("bash");
    expect(bash(script, "tally", "wa")).toEqual(["wallet"]);
    expect(bash(script, "tally", "wallet", "b")).toEqual(["balance", "buy"]);
    expect(bash(script, "tally", "--json", "wallet", "se")).toEqual(["sell"]);
    expect(bash(script, "tally", "wallet", "buy", "--mer")).toEqual(["--merchant"]);
    expect(bash(script, "tally", "wallet", "buy", "alice", "USD 3", "--y")).toEqual(["--yes"]);
    expect(bash(script, "tally", "completion", "")).toEqual(expect.arrayContaining(["bash", "zsh", "fish"]));
    expect(bash(script, "tally", "xyz")).toEqual([]);
    expect(bash(script, "tally", "", "wa")).toEqual(["wallet"]);
  });

  test("takes the value of an option for no command, and offers folders where one is wanted", async () => {
    const script = await scriptOf("bash");
    expect(bash(script, "tally", "--home", "wallet", "wallet", "b")).toEqual(["balance", "buy"]);
    expect(bash(script, "tally", "--home", "wallet", "q")).toEqual([]);
    expect(bash(script, "tally", "--home", "homes/")).toEqual(["homes/one two"]);
    expect(bash(script, "tally", "wallet", "pay", "--memo", "")).toEqual([]);
  });

  test("offers choices, and runs nothing that is in a description", async () => {
    const script = await scriptOf("bash", oddProgram());
    expect(bash(script, "odd", "paint", "r")).toEqual(["red"]);
    expect(bash(script, "odd", "--at", "ho")).toEqual(["homes"]);
    expect(bash(script, "odd", "sing", "--l")).toEqual(["--loud"]);
  });
});

/** The completion system of zsh needs a terminal; its part that lists is replaced by one that prints. */
describe.runIf(has("zsh"))("completion in zsh", () => {
  test.each([
    [
      ["wallet", "b"],
      ["balance", "buy"],
    ],
    [["--home", "wallet", "wallet", "se"], ["sell"]],
    [
      ["completion", ""],
      ["bash", "zsh", "fish"],
    ],
  ])("%j", async (words, expected) => {
    const path = join(folder, "completion.zsh");
    writeFileSync(path, await scriptOf("zsh"));
    const work = `compdef() { : }; source "$1"; shift
      _describe() { print -rl -- "\${(@)found%%:*}" }
      words=(tally "$@"); CURRENT=\${#words}; _tally`;
    const { stdout, stderr } = spawnSync("zsh", ["-fc", work, "zsh", path, ...words], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(stdout.split("\n")).toEqual(expect.arrayContaining(expected));
  });
});

describe.runIf(has("fish"))("completion in fish", () => {
  test.each([
    ["wallet b", ["balance", "buy"]],
    ["--home wallet wallet se", ["sell"]],
    ["completion ", ["bash", "zsh", "fish"]],
  ])("%s", async (line, expected) => {
    const path = join(folder, "completion.fish");
    writeFileSync(path, await scriptOf("fish"));
    const work = `source ${path}; complete -C 'tally ${line}'`;
    const { stdout, stderr } = spawnSync("fish", ["--no-config", "-c", work], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(stdout.split("\n").map((offer) => offer.split("\t")[0])).toEqual(expect.arrayContaining(expected));
  });
});

test("another shell is not understood, and the program says which are", async () => {
  let said = "";
  const write = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
  expect(await run(["completion", "cmd"])).toBe(2);
  write.mockRestore();
  expect(said).toMatch(/bash, zsh, fish/);
});

test("a script is also one line of JSON", async () => {
  const out = await printed(() => run(["--json", "completion", "fish"]));
  expect(JSON.parse(out)).toMatchObject({ shell: "fish", script: expect.stringMatching(/^# tally for fish/) });
});
