/** The command line as a whole: its commands, and where what they throw becomes text and an exit code. */
import { Command, CommanderError } from 'commander'
import { SelvedgeError } from '../../runtime/errors.ts'
import { addAlias } from './alias.ts'
import { addAssignment } from './assignment.ts'
import { addBackup, addRestore } from './backup.ts'
import { addBaseline } from './baseline.ts'
import { addDeploy } from './deploy.ts'
import { addExperiment } from './experiment.ts'
import { addModels } from './models.ts'
import { asFailure, exitCode, openOutput } from './output.ts'
import { addPull } from './pull.ts'
import { addPush } from './push.ts'
import { addRegistry } from './registry.ts'
import { addReport } from './report.ts'
import { addRollback } from './rollback.ts'
import { addRollout } from './rollout.ts'
import { addScore } from './score.ts'
import { addServe } from './serve.ts'
import { addShow } from './show.ts'
import { addStatus } from './status.ts'
import { addToken } from './token.ts'
import { addTraffic } from './traffic.ts'
import { addUp } from './up.ts'
import { addWebhook } from './webhook.ts'
import { addWhy } from './why.ts'

/**
 * Runs one command.
 *
 * @param args - without the names of node and of the script
 * @returns exit code: 0 done, 1 refused, 2 usage
 */
export async function runCommand(args: readonly string[]): Promise<0 | 1 | 2> {
  try {
    await openProgram().parseAsync(args, { from: 'user' })
    return 0
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0
    const error = thrown instanceof CommanderError ? usageError(thrown) : asFailure(thrown)
    // A failure may come before the options are known.
    openOutput(args.includes('--json')).failure(error)
    return exitCode(error)
  }
}

function openProgram(): Command {
  const program = new Command('selvedge')
    .description('Scores ONNX models at the edge under one registry.')
    .option('--json', 'write results and errors as JSON, for programs')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      '\nSELVEDGE_REGISTRY and SELVEDGE_SCORING name the servers (http://127.0.0.1:4400 and :4401), SELVEDGE_TOKEN is sent to both. SELVEDGE_LOG=info|warn|error is the least that servers log.',
    )
  for (const add of commands) add(program)
  throwUsageErrors(program)
  return program
}

const commands = [
  addUp,
  addRegistry,
  addServe,
  addPush,
  addBaseline,
  addPull,
  addModels,
  addShow,
  addAlias,
  addDeploy,
  addTraffic,
  addAssignment,
  addRollout,
  addRollback,
  addExperiment,
  addScore,
  addStatus,
  addWhy,
  addReport,
  addToken,
  addWebhook,
  addBackup,
  addRestore,
]

// Commander copies these settings only to the commands that it makes after they are set.
function throwUsageErrors(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined })
  command.commands.forEach(throwUsageErrors)
}

function usageError(error: CommanderError): SelvedgeError {
  // Without a command commander prints the whole help as its error.
  const message = error.code === 'commander.help' ? 'a command is missing' : error.message
  return new SelvedgeError('USAGE', message.replace(/^error: /, '').replaceAll('\n', ' '))
}
