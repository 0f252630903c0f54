from mas2sim.market.greedy import GreedyMarket as AdmmMarket
