/**
 * The Chromium that tests, bench and pages are tried in. Run as a program it installs one where none is found: Debian's
 * package where apt is there and one is root, Playwright's own download elsewhere.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromium } from 'playwright'

/** WebGPU on a software adapter, and nothing that calls home. */
export const chromiumArguments = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan,WebGPU',
  '--use-webgpu-adapter=swiftshader',
  '--ignore-gpu-blocklist',
]

/** Of an installed Chromium or of Playwright's own; undefined where there is neither. */
export function chromiumPath(): string | undefined {
  const known = [
    process.env.SELVEDGE_CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    chromium.executablePath(),
  ]
  return known.find((path) => path !== undefined && existsSync(path))
}

function install(): void {
  const isRoot = process.getuid?.() === 0
  try {
    if (isRoot && existsSync('/usr/bin/apt-get')) {
      execFileSync('apt-get', ['update', '-qq'], { stdio: 'inherit' })
      execFileSync('apt-get', ['install', '-y', '-qq', 'chromium'], { stdio: 'inherit' })
    } else execFileSync('npx', ['playwright', 'install', 'chromium'], { stdio: 'inherit' })
  } catch {
    // What the installer printed stands above.
  }
  if (chromiumPath() === undefined) {
    console.error('No Chromium: install one (Debian: apt-get install chromium) or name it in SELVEDGE_CHROMIUM.')
    process.exitCode = 1
  }
}

if (import.meta.main && chromiumPath() === undefined) install()
