/** Labs, looked at from another one: what runs in a lab, what is left of it, and that others do not notice. */

import { equal, match, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { type ReaderCheck, runTool, within } from "./lab.js";

/** In the lab: something that stays in the background and does not want to end, the lab's folder, its readers. */
const COMMAND = `sleep 300 & echo "left $!"; echo "folder $TALLY_LAB"; opensc-tool --list-readers; tally card --help; exit 7`;

/** A process that has ended and whose end nobody has asked for (a zombie) does not live. */
function isAlive(processId: number): boolean {
  const stat = `/proc/${processId}/stat`;
  return existsSync(stat) && !/\) Z /.test(readFileSync(stat, "utf8"));
}

export const LAB_CHECKS: readonly ReaderCheck[] = [
  {
    name: "a lab has readers of its own, ends as its command does, and leaves nothing",
    run: async (bench) => {
      await bench.cards("alice");
      const { code, out, err } = await bench.tally("card", "lab", "--readers", "5", "--", "sh", "-c", COMMAND);
      equal(code, 7, err);
      match(out, /^5\s+No\s+Lab 2 00 01$/m);
      ok(!/\bYes\b/.test(out), "the card of another lab is in it");
      match(out, /^Usage: tally card/m);
      const folder = dirname(/^folder (.+)$/m.exec(out)?.[1] ?? "");
      ok(folder.length > 1 && !existsSync(folder), `${folder} is left`);
      ok(!isAlive(Number(/^left (\d+)$/m.exec(out)?.[1])), "what it had in the background is left");
      // The lab around has not noticed.
      match((await runTool("opensc-tool", ["--list-readers"])).out, /^0\s+Yes\s+Lab 0 00 00$/m);
    },
  },
  {
    name: "a lab that is told to end ends with its command",
    run: async () => {
      const lab = spawn(process.execPath, [
        "dist/host/cli/main.js",
        "card",
        "lab",
        "--",
        "sh",
        "-c",
        "echo $$; exec sleep 300",
      ]);
      const [said] = (await within("the lab's command", once(lab.stdout, "data"))) as [Buffer];
      ok(isAlive(Number(String(said))));
      const ended = once(lab, "close");
      lab.kill("SIGTERM");
      equal((await within("the lab's end", ended))[0], 128 + 15);
      ok(!isAlive(Number(String(said))), "its command is left");
    },
  },
];
