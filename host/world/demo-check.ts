/** What a step of the demonstration promised and did not keep. */

export class DemoFailure extends Error {}

export function check(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new DemoFailure(`It does not hold that ${promise}.`);
}
