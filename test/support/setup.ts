/**
 * Property tests start from one seed, so that two runs of the same code agree. `TALLY_SEED=random npm test` lets each run
 * look elsewhere, `TALLY_SEED=42` repeats one; a failure prints the seed it came from.
 */

import fc from "fast-check";

const wanted = process.env["TALLY_SEED"] ?? "1996";
if (wanted !== "random") fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) });
