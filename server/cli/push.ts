/** `selvedge push`: makes a version of a model from an .onnx file, several files or a folder. */
import { type Command, Option } from 'commander'
import type { ModelVersion } from '../../runtime/contract/control.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { openContext } from './context.ts'
import { untilInterrupted } from './interrupt.ts'
import { collectTag, parseList, parseName, renderList } from './names.ts'
import { renderBytes } from './table.ts'
import { renderProbe, waitForProbe } from './version/probe.ts'
import { type PushedVersion, type PushOptions, pushVersion } from './version/push.ts'
import { findLacks, renderLacks, renderSignature } from './version/summary.ts'

interface Flags extends Omit<PushOptions, 'tags'> {
  tag?: Record<string, string>
}

export function addPush(program: Command): void {
  program
    .command('push')
    .description('Make a version of a model; the same content pushed again stays the same version.')
    .argument('<model>', 'name, such as housing', parseName)
    .argument(
      '<paths...>',
      'an .onnx file and what belongs to it, or a folder with one: data files that it names, selvedge.json, golden.json, profile.json, README',
    )
    .option(
      '--baseline <file>',
      'rows that it was trained on, as CSV, JSON lines or Parquet: what drift is measured against',
    )
    .option(
      '--outcome <column>',
      'column of the baseline that holds what became true: names classes, and lets performance be estimated',
    )
    .addOption(
      new Option(
        '--features <a,b,c>',
        'columns in the order of the input; needed where the baseline has more numeric columns than the input takes',
      ).argParser(parseList),
    )
    .option('--tag <key=value>', 'metadata; may be repeated', collectTag)
    .option('--why <text>', 'why this version was made')
    .option('--description <selvedge.json>', 'features, classes and variants; what is left out is read from the model')
    .option('--golden <golden.json>', 'inputs with the outputs that must come out')
    .addHelpText('after', help)
    .action(async (model: string, paths: string[], _, command: Command) => {
      const context = openContext<Flags>(command)
      const { tag: tags = {}, ...options } = context.options
      if (options.outcome !== undefined && options.baseline === undefined) {
        throw new SelvedgeError('USAGE', '--outcome names a column of --baseline, which is missing')
      }
      const pushed = await untilInterrupted(context.output, 'Stopped. The same command goes on from here.', () =>
        pushVersion(context, model, paths, { ...options, tags }),
      )
      const has = { profile: pushed.hasProfile, golden: pushed.hasGolden }
      const lacks = findLacks(pushed.description, has, renderCommand(model, paths, context.options))
      const probe = await waitForProbe(context, model, pushed.version)
      context.output.result({ ...pushed, lacks, probe }, () => renderPushed(pushed, probe) + renderLacks(lacks))
    })
}

const help = `
Files are sent four at a time, and only those that the registry lacks. After a broken line, a restart of the registry
or Ctrl-C the same command goes on where the registry's bytes end; where that is, is kept in ~/.cache/selvedge
(XDG_CACHE_HOME) until the file is sent.

  selvedge push housing model.onnx --baseline train.csv --outcome price_high --tag team=risk --why "November data"
  selvedge push whisper model.onnx model.onnx_data tokenizer.json
  selvedge push digits models/digits`

/** The command as it was given, for a shell, so that more can be added to it. */
export function renderCommand(
  model: string,
  paths: readonly string[],
  { baseline, outcome, features, tag = {}, why, description, golden }: Flags,
): string {
  const given = Object.entries({
    baseline,
    outcome,
    features: features && renderList(features),
    description,
    golden,
    why,
  })
  const tags = Object.entries(tag).map(([key, value]) => ['tag', `${key}=${value}`] as const)
  const flags = [...given, ...tags].flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))
  return ['selvedge', 'push', model, ...paths, ...flags].map(quoted).join(' ')
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

function renderPushed(pushed: PushedVersion, probe: ModelVersion['probe']): string {
  const { model, version, registered, sentBytes, resumedBytes, description, remarks } = pushed
  const reference = `${model}@${version}`
  const earlier = resumedBytes > 0 ? `, ${renderBytes(resumedBytes)} had been sent before` : ''
  const sent = `${sentBytes === 0 ? 'nothing' : renderBytes(sentBytes)} sent${earlier}.`
  const done = registered ? `${reference} is registered; ${sent}` : `${reference} has this content already; ${sent}`
  const notes = remarks.map((remark) => `${remark}\n`).join('')
  const serve =
    probe.state === 'failed' ? '' : `Serve it: selvedge deploy <endpoint>/<deployment> --model ${reference}\n`
  return `${renderSignature(description)}\n${done}\nProbe ${renderProbe(probe)}\n${notes}${serve}`
}
