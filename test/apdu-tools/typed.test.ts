/** What somebody types on a terminal: commands, and values that are not shown. */

import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { InterruptedError } from "../../host/cli/confirm.js";
import { TypedLines } from "../../host/cli/typed-lines.js";

class Terminal {
  readonly input = Object.assign(new PassThrough(), { isTTY: true });
  readonly output = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  readonly lines = new TypedLines((line) => [[], line], this);

  type(keys: string): void {
    this.input.write(keys);
  }

  get shown(): string {
    return String(this.output.read() ?? "");
  }
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  return String((await lines.next()).value);
}

test("a value that is asked for is not shown, is no line, and no arrow key gives it back", async () => {
  const terminal = new Terminal();
  const lines = terminal.lines[Symbol.asyncIterator]();
  terminal.lines.prompt("module> ");
  terminal.type("VERIFY {pin}\r");
  expect(await nextLine(lines)).toBe("VERIFY {pin}");
  expect(terminal.shown).toContain("VERIFY {pin}");
  const asked = terminal.lines.secret("{pin}:");
  terminal.type("314159\r");
  expect(await asked).toBe("314159");
  expect(terminal.shown).toBe("{pin}: \n");
  terminal.type("\u001b[A\r");
  expect(await nextLine(lines)).toBe("VERIFY {pin}");
  expect(terminal.shown).not.toContain("314159");
  terminal.lines.close();
});

test("nothing typed is nothing; the end of the input too", async () => {
  const terminal = new Terminal();
  const empty = terminal.lines.secret("{pin}:");
  terminal.type("\r");
  expect(await empty).toBeUndefined();
  const ended = terminal.lines.secret("{pin}:");
  terminal.type("\u0004");
  expect(await ended).toBeUndefined();
});

test("Ctrl-C at a value interrupts; at a command it ends the lines", async () => {
  const terminal = new Terminal();
  const lines = terminal.lines[Symbol.asyncIterator]();
  const asked = terminal.lines.secret("{pin}:");
  terminal.type("31\u0003");
  await expect(asked).rejects.toThrow(InterruptedError);
  await expect(asked).rejects.toMatchObject({ exitCode: 130 });
  terminal.type("\u0003");
  expect(await lines.next()).toMatchObject({ done: true });
});

test("nobody is asked where there is no terminal", async () => {
  const piped = new TypedLines((line) => [[], line], { input: new PassThrough(), output: new PassThrough() });
  expect(await piped.secret("{pin}:")).toBeUndefined();
  piped.close();
});
