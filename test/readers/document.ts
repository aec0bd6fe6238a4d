/** The commands of docs/READERS.md, typed in the lab. */

import { readFileSync } from "node:fs";
import { Desk, stepsOf } from "../support/typed-commands.js";
import type { ReaderCheck } from "./lab.js";

export const DOCUMENT_CHECKS: readonly ReaderCheck[] = [
  {
    name: "what READERS.md tells to type comes out as it is printed",
    async run() {
      const steps = stepsOf(readFileSync("docs/READERS.md", "utf8"));
      if (steps.length < 6) throw new Error(`READERS.md tells ${steps.length} things to type`);
      const desk = new Desk();
      try {
        await desk.type(steps);
      } finally {
        await desk.close();
      }
    },
  },
];
