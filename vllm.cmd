@echo off
rem Starts vllm from this source tree: builds Release (nothing is done when it is up to date), then runs it.
setlocal
set "root=%~dp0"
where dotnet >nul 2>nul
if errorlevel 1 (
  echo vllm: the .NET 10 SDK is needed to build from source: https://dotnet.microsoft.com/download/dotnet/10.0 1>&2
  exit /b 1
)
dotnet build "%root%src\Vllm.Cli" -c Release -o "%root%artifacts\vllm" -v quiet -nologo 1>nul
if errorlevel 1 exit /b 1
dotnet "%root%artifacts\vllm\vllm.dll" %*
