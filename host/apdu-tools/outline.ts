/** What decoding gives: steps within steps, for people as indented lines, for programs as JSON. */

export interface Step {
  readonly title: string;
  readonly value?: string;
  readonly steps?: readonly Step[];
  /** Here it stops being right: why. What is above was understood. */
  readonly fault?: string;
}

const INDENT = "  ";

export function step(title: string, value?: string, steps: readonly Step[] = []): Step {
  return { title, ...(value === undefined ? {} : { value }), ...(steps.length === 0 ? {} : { steps }) };
}

export function faultAt(title: string, fault: string, value?: string): Step {
  return { title, fault, ...(value === undefined ? {} : { value }) };
}

export function linesOf(step: Step, depth = 0): string[] {
  const indent = INDENT.repeat(depth);
  const head = step.value === undefined ? step.title : `${step.title}: ${step.value}`;
  const fault = step.fault === undefined ? [] : [`${indent}${INDENT}!! not right from here: ${step.fault}`];
  return [`${indent}${head}`, ...fault, ...(step.steps ?? []).flatMap((each) => linesOf(each, depth + 1))];
}

/** Whether anything in it is malformed. */
export function hasFault(step: Step): boolean {
  return step.fault !== undefined || (step.steps ?? []).some(hasFault);
}
