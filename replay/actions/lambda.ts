/**
 * Invokes a function of AWS Lambda with each event, wrapped as EventBridge would deliver it. An event that came
 * from EventBridge is passed on as it is.
 */
import type { InvokeCommand, InvokeCommandOutput, LambdaClient } from '@aws-sdk/client-lambda'
import { type Action, ActionFailure, type ActionPlugin, type PlannedWrite } from '../action.ts'
import { awsFailure } from '../aws/aws-failure.ts'
import { type AwsAddress, awsOptions, clientConfig, readAwsOptions, shownRegion } from '../aws/aws-options.ts'
import {
  type EventBridgeMapping,
  eventBridgeEvent,
  mappingOptions,
  readMapping,
} from '../aws/eventbridge-event.ts'
import { askService } from '../aws/opening.ts'
import { boundedMessage } from '../bounded-message.ts'
import { ReplayError } from '../errors.ts'
import { loadDriver } from '../load-driver.ts'
import { PluginOptions } from '../options.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { PluginTarget } from '../source.ts'

export const action = {
  address: 'lambda:FUNCTION',
  summary: 'Invokes a function of AWS Lambda; FUNCTION is its name or ARN',
  options: {
    invocation:
      '`wait` for what the function returns, its errors are failures; or `event`, which Lambda queues; default: wait',
    qualifier: 'Version or alias of the function',
    ...awsOptions,
    ...mappingOptions,
    account: 'Account in wrapped events, 12 digits; default: that of the ARN, or zeros',
    replayName:
      'Member `replay-name` of every event; default: the run, in wrapped events alone. By it a function tells a replay',
    timeoutMs: 'Longest wait for an answer in milliseconds; default: 910000 for wait, 30000 for event',
  },
  create: createLambdaAction,
} satisfies ActionPlugin

/** In bytes, as Lambda has it: 1 MB is 1,024 KB. */
const payloadMax = { wait: 6 * 1024 * 1024, event: 1024 * 1024 }
/** A function may take 15 minutes. */
const timeoutsMs = { wait: 910_000, event: 30_000 }

function createLambdaAction(target: PluginTarget): Action {
  const { address, context } = target
  const functionName = address.slice('lambda:'.length)
  if (functionName === '') throw new TypeError('Expected the name of a function, as in lambda:orders')
  const options = new PluginOptions(target)
  const invocation = options.choice('invocation', ['wait', 'event']) ?? 'wait'
  const qualifier = options.text('qualifier')
  const aws = readAwsOptions(options, { context, service: 'LAMBDA', arn: functionName })
  const mapping = readMapping(options)
  const account = options.text('account') ?? /^arn:[^:]+:[^:]+:[^:]*:(\d+):/.exec(functionName)?.[1]
  const replayName = options.text('replayName')
  const timeoutMs = options.whole('timeoutMs', { min: 1, max: 2_000_000 }) ?? timeoutsMs[invocation]
  options.end()
  if (account !== undefined && !/^\d{12}$/.test(account))
    throw new TypeError('Expected `account` to have 12 digits')
  return new LambdaAction(aws, {
    functionName,
    qualifier,
    invocation,
    mapping,
    timeoutMs,
    replayName,
    wrapping: {
      account: account ?? '000000000000',
      region: shownRegion(aws, context),
      replayName: replayName ?? context.runId,
    },
  })
}

interface LambdaOptions {
  readonly functionName: string
  readonly qualifier: string | undefined
  readonly invocation: 'wait' | 'event'
  readonly mapping: EventBridgeMapping
  readonly timeoutMs: number
  /** Of events that are passed on as they are. */
  readonly replayName: string | undefined
  readonly wrapping: { readonly account: string; readonly region: string; readonly replayName: string }
}

interface Payload {
  readonly json: string
  /** For an event that has none: the time at which it is sent goes before the other members. */
  readonly wantsTime: boolean
}

class LambdaAction implements Action<Payload> {
  readonly name: string
  readonly isLocal: boolean
  readonly isIdempotent = false
  readonly batchMax = 1
  readonly stopsAtFailure = true
  readonly #aws: AwsAddress
  readonly #options: LambdaOptions
  #client: LambdaClient | undefined
  #Invoke!: typeof InvokeCommand

  constructor(aws: AwsAddress, options: LambdaOptions) {
    const { functionName, qualifier } = options
    this.name = `lambda:${functionName}${qualifier === undefined ? '' : `:${qualifier}`}${aws.where}`
    this.isLocal = aws.isLocal
    this.#aws = aws
    this.#options = options
  }

  prepare(event: ReplayEvent): Payload {
    const { invocation } = this.#options
    const payload = this.#payloadOf(event)
    const bytes = Buffer.byteLength(textOf(payload, new Date()))
    if (bytes <= payloadMax[invocation]) return payload
    throw new ReplayError(
      'REPLAY_EVENT_REFUSED',
      `${event.place} has a payload of ${bytes} bytes, more than the ${payloadMax[invocation]} that Lambda takes where its invocation is \`${invocation}\``,
    )
  }

  describe({ json }: Payload): PlannedWrite {
    return { kind: 'call', to: this.name, input: JSON.parse(json) }
  }

  async open(): Promise<void> {
    const { LambdaClient, InvokeCommand } = await loadDriver('@aws-sdk/client-lambda', {
      what: 'AWS Lambda',
      load: async () => await import('@aws-sdk/client-lambda'),
    })
    this.#Invoke = InvokeCommand
    this.#client = new LambdaClient(clientConfig(this.#aws, this.#options))
    // Lambda looks whether the function is there and may be invoked, and invokes nothing.
    await askService(this.name, async () => await this.#invoke('DryRun', undefined))
  }

  async act([payload]: readonly Payload[], { signal }: { readonly signal: AbortSignal }): Promise<undefined> {
    const type = this.#options.invocation === 'wait' ? 'RequestResponse' : 'Event'
    let answer: InvokeCommandOutput
    try {
      answer = await this.#invoke(type, Buffer.from(textOf(payload!, new Date())), signal)
    } catch (error) {
      signal.throwIfAborted()
      throw awsFailure(error)
    }
    if (answer.FunctionError !== undefined) throw functionFailure(answer)
  }

  async close(): Promise<void> {
    this.#client?.destroy()
    this.#client = undefined
  }

  #payloadOf(event: ReplayEvent): Payload {
    const { mapping, wrapping, replayName } = this.#options
    const { detail, detailType, id, isOriginal, resources, source, time } = eventBridgeEvent(event, mapping)
    if (isOriginal) {
      if (replayName === undefined) return { json: event.text, wantsTime: false }
      const end = event.text.lastIndexOf('}')
      const json = `${event.text.slice(0, end)},"replay-name":${JSON.stringify(replayName)}}`
      return { json, wantsTime: false }
    }
    const members = {
      version: '0',
      id,
      'detail-type': detailType,
      source,
      account: wrapping.account,
      ...(time !== undefined && { time: shownTime(time) }),
      region: wrapping.region,
      resources,
      'replay-name': wrapping.replayName,
    }
    const json = `${JSON.stringify(members).slice(0, -1)},"detail":${detail}}`
    return { json, wantsTime: time === undefined }
  }

  async #invoke(
    type: 'DryRun' | 'RequestResponse' | 'Event',
    payload: Buffer | undefined,
    signal?: AbortSignal,
  ): Promise<InvokeCommandOutput> {
    const { functionName, qualifier } = this.#options
    const command = new this.#Invoke({
      FunctionName: functionName,
      InvocationType: type,
      ...(qualifier !== undefined && { Qualifier: qualifier }),
      ...(payload !== undefined && { Payload: payload }),
    })
    return await this.#client!.send(command, { abortSignal: signal })
  }
}

function textOf({ json, wantsTime }: Payload, now: Date): string {
  return wantsTime ? `{"time":"${shownTime(now)}",${json.slice(1)}` : json
}

/** EventBridge has no parts of seconds. */
function shownTime(time: Date): string {
  return time.toISOString().replace(/\.\d+/, '')
}

/** What a function tells of its error is JSON, mostly; a runtime that was killed may leave anything. */
function functionFailure({ FunctionError: how, Payload }: InvokeCommandOutput): ActionFailure {
  const text = Payload === undefined ? '' : Buffer.from(Payload).toString()
  let told: { readonly errorType?: unknown; readonly errorMessage?: unknown } = {}
  try {
    told = (JSON.parse(text) as typeof told | null) ?? {}
  } catch {
    told = { errorMessage: text }
  }
  const { errorType, errorMessage } = told
  const code = typeof errorType === 'string' && errorType !== '' ? errorType.slice(0, 100) : how!
  const message = typeof errorMessage === 'string' ? errorMessage : text
  return new ActionFailure('refused', code, `The function failed: ${boundedMessage(message) || how!}`)
}
