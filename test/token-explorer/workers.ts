/** What the worker processes are asked, and answer. */

import { fileURLToPath } from "node:url";
import type { Explored, Job } from "./explore.js";

/** Of what all ways begin with. */
export const SEED = "token explorer";

/** `applet`: the file of the purse under test. */
export type Work =
  | { readonly kind: "explore"; readonly job: Job; readonly applet: string; readonly violationsMax: number }
  | { readonly kind: "tests"; readonly tests: string; readonly applet: string };

export type Answer =
  | { readonly kind: "explored"; readonly explored: Explored }
  | { readonly kind: "failed"; readonly test: string | undefined };

export const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));
