/** `tally card start` at a terminal (script(1) makes one), in a shell's foreground and background. */

import { equal, match, ok } from "node:assert/strict";
import { type ReaderCheck, runTool } from "./lab.js";

const START = "node dist/host/cli/main.js card start --blank purse";

export const TERMINAL_CHECKS: readonly ReaderCheck[] = [
  {
    name: "a card that a shell runs in the background goes on while something is typed",
    run: async () => {
      // What is typed during the sleep waits in the terminal, and is the shell's.
      const typed = [`${START} &`, "sleep 2", "jobs", "kill %1", "wait", "exit 4"];
      const shell = ["--quiet", "--return", "--command", "bash --norc -i", "/dev/null"];
      const { code, out } = await runTool("script", shell, { input: `${typed.join("\n")}\n` });
      equal(code, 4, out);
      match(out, /card 1: powered/);
      match(out, /Running +node/);
      ok(!/Stopped/.test(out), out);
    },
  },
];
