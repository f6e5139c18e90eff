# SPDX-License-Identifier: Apache-2.0
# What a Windows guest can say of its virtio NICs where nothing can be installed: text, for
#   ringside import FILE --node NAME -o OUT.rsi
# Two readings, some seconds apart. Only reads; any user, an administrator sees the event log.
#   powershell -ExecutionPolicy Bypass -File witness.ps1 [SECONDS] > witness.txt
# Not run by the project's own tests: no Windows is at hand there. Windows has no count of single
# interrupts or queues; it says what a NIC received, sent and dropped, and what each CPU did for it.
param([int]$Seconds = 5)
$ErrorActionPreference = 'SilentlyContinue'
$invariant = [Globalization.CultureInfo]::InvariantCulture
$epoch = [DateTime]::new(1970, 1, 1, 0, 0, 0, [DateTimeKind]::Utc)

function Show-Key($key, $value) {
  if ($null -ne $value -and "$value" -ne '') { "$key $value" }
}

function Get-RealSeconds {
  ([DateTime]::UtcNow - $epoch).TotalSeconds.ToString('F6', $invariant)
}

# Seconds since boot, from the counter that also stamps the performance data.
function Get-BootSeconds {
  $ticks = [Diagnostics.Stopwatch]::GetTimestamp()
  ($ticks / [Diagnostics.Stopwatch]::Frequency).ToString('F2', $invariant)
}

function Show-Clock {
  $before = Get-RealSeconds
  $boot = Get-BootSeconds
  "### clock $before $boot $(Get-RealSeconds)"
}

function Show-About {
  $system = Get-CimInstance Win32_OperatingSystem
  $product = Get-CimInstance Win32_ComputerSystemProduct
  '### about'
  'system Windows'
  Show-Key 'name' $env:COMPUTERNAME
  Show-Key 'kernel' $system.Version
  Show-Key 'arch' $env:PROCESSOR_ARCHITECTURE
  Show-Key 'machine' (Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Cryptography').MachineGuid
  Show-Key 'boot' $system.LastBootUpTime.ToUniversalTime().ToString('yyyyMMddHHmmss', $invariant)
  Show-Key 'uuid' $product.UUID
}

function Get-VirtioNic {
  Get-NetAdapter | Where-Object { $_.InterfaceDescription -match 'VirtIO' }
}

function Show-Nics {
  foreach ($nic in Get-VirtioNic) {
    "### nic $($nic.Name)"
    Show-Key 'description' $nic.InterfaceDescription
    Show-Key 'driver' $nic.DriverVersionString
    Show-Key 'address' $nic.MacAddress
    Show-Key 'status' $nic.Status
    Show-Key 'mtu' $nic.MtuSize
    $rss = Get-NetAdapterRss -Name $nic.Name
    Show-Key 'rss' $rss.Enabled
    Show-Key 'rss_queues' $rss.NumberOfReceiveQueues
  }
}

function Show-Reading($number) {
  "### reading $number"
  Show-Clock
  foreach ($nic in Get-VirtioNic) {
    $counts = Get-NetAdapterStatistics -Name $nic.Name
    "### nic $($nic.Name)"
    Show-Key 'rx_packets' $counts.ReceivedUnicastPackets
    Show-Key 'rx_dropped' $counts.ReceivedDiscardedPackets
    Show-Key 'rx_errors' $counts.ReceivedPacketErrors
    Show-Key 'tx_packets' $counts.SentUnicastPackets
    Show-Key 'tx_dropped' $counts.OutboundDiscardedPackets
  }
  # Raw data are totals since boot, one row per CPU and NIC.
  foreach ($row in Get-CimInstance Win32_PerfRawData_Counters_PerProcessorNetworkInterfaceCardActivity) {
    if ($row.Name -notmatch 'VirtIO') { continue }
    "### nic $($row.Name)"
    Show-Key 'interrupts' $row.InterruptsPersec
    Show-Key 'dpcs' $row.DPCsQueuedPersec
    Show-Key 'rx_indications' $row.ReceiveIndicationsPersec
  }
  Show-Clock
}

function Show-Log {
  '### log'
  $boot = (Get-CimInstance Win32_OperatingSystem).LastBootUpTime
  $filter = @{ LogName = 'System'; ProviderName = 'netkvm', 'Microsoft-Windows-NDIS', 'vioscsi' }
  foreach ($line in Get-WinEvent -FilterHashtable $filter -MaxEvents 60) {
    $since = ($line.TimeCreated - $boot).TotalSeconds.ToString('F6', $invariant)
    $text = ("$($line.ProviderName): $($line.Message)" -replace '\s+', ' ').Trim()
    "[$since] $text"
  }
}

'ringside-witness 1'
Show-About
Show-Nics
Show-Reading 1
Start-Sleep -Seconds $Seconds
Show-Reading 2
Show-Log
'### end'
