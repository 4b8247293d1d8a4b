from benchmarks.cost.command import main

main()
