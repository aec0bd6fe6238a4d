/** Why a chip, or its peer, refused what was tried. */

import { ReasonError } from "../../host/reasons.js";

export async function reasonOf(work: Promise<unknown>): Promise<number> {
  const error = await work.then(
    () => undefined,
    (refusal: unknown) => refusal,
  );
  if (error instanceof ReasonError) return error.reason;
  throw error ?? new Error("it went through");
}
